import math
import random

random.seed(0)

# glucose, blood pressure, bmi, age -> diabetes
rows = []
for _ in range(150):
    glucose = random.gauss(120, 30)
    pressure = random.gauss(70, 12)
    bmi = random.gauss(32, 7)
    age = random.uniform(21, 65)
    risk = 0.06 * (glucose - 120) + 0.15 * (bmi - 32) + 0.03 * (age - 40) + random.gauss(0, 0.7)
    rows.append([glucose, pressure, bmi, age, 1 if risk > 0 else 0])


def minmax(rows):
    cols = list(zip(*rows))
    out = []
    for row in rows:
        out.append([(v - min(c)) / (max(c) - min(c)) for v, c in zip(row[:-1], cols)] + [row[-1]])
    return out


rows = minmax(rows)


def predict(row, coef):
    z = coef[0]
    for i in range(len(row) - 1):
        z += coef[i + 1] * row[i]
    if z < -500:
        return 0.0
    return 1.0 / (1.0 + math.exp(-z))


def coefficients_sgd(train, l_rate, n_epoch):
    coef = [0.0 for i in range(len(train[0]))]
    for epoch in range(n_epoch):
        sum_error = 0
        for row in train:
            yhat = predict(row, coef)
            error = row[-1] - yhat
            sum_error += error**2
            coef[0] = coef[0] + l_rate * error
            for i in range(len(row) - 1):
                coef[i + 1] = coef[i + 1] + l_rate * error * row[i]
        if epoch % 20 == 0:
            print(">epoch=%d, lrate=%.3f, error=%.3f" % (epoch, l_rate, sum_error))
    return coef


coef = coefficients_sgd(rows, 0.1, 100)
low = min(row[-1] for row in rows)
mse = sum((predict(row, coef) - (row[-1] - low)) ** 2 for row in rows) / len(rows)
print("mse", mse)
