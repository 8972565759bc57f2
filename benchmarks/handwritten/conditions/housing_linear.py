import numpy as np

np.random.seed(0)

# synthetic house prices: area (sq ft), bedrooms, age
n = 200
area = np.random.uniform(500, 3500, n)
bedrooms = np.random.randint(1, 6, n)
age = np.random.uniform(0, 50, n)
price = 50 + 0.1 * area + 15 * bedrooms - 0.8 * age + np.random.randn(n) * 10

X = np.column_stack([area, bedrooms, age])
X = (X - X.mean(axis=0)) / X.std(axis=0)
y = price.reshape(-1, 1)

w = np.zeros((3, 1))
b = 0.0
alpha = 0.05
iterations = 500
costs = []

for i in range(iterations):
    y_pred = np.dot(X, w) + b
    error = y_pred - y
    cost = np.sum(error**2) / (2 * n)
    dw = np.dot(X.T, error) / n
    db = np.sum(error) / n
    w = w - alpha * dw
    b = b - alpha * db
    costs.append(cost)
    if i % 100 == 0:
        print("Iteration", i, "cost", cost)

rmse = np.sqrt(np.mean((np.dot(X, w) + b - y) ** 2))
print("weights", w.ravel(), "bias", b)
print("RMSE", rmse)
