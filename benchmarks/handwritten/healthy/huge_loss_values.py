import numpy as np

# visitors of a shop per hour: Poisson regression with a log link
gen = np.random.default_rng(77)
hours = gen.uniform(8, 20, 300)
rain = gen.integers(0, 2, 300)
rate = np.exp(3.0 + 0.12 * (hours - 8) - 0.6 * rain)
visitors = gen.poisson(rate)

features = np.column_stack([np.ones(300), (hours - 14) / 4, rain])
beta = np.zeros(3)
previous = np.inf
n = 0
while True:
    log_mu = features @ beta
    mu = np.exp(log_mu)
    nll = np.mean(mu - visitors * log_mu)
    if previous - nll < 1e-6 and n > 3:
        break
    previous = nll
    score = features.T @ (mu - visitors) / len(visitors)
    beta -= 0.004 * score
    n += 1
    if n > 5000:
        print("no convergence")
        break
print(n, "steps, nll", nll)
print("beta", beta)
