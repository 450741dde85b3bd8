# needs: statsmodels
# A regression with a formula, and a test.

import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf

x = np.arange(20.0)
data = pd.DataFrame({'x': x, 'y': 2 * x + 1 + np.tile([0.1, -0.1], 10)})
fit = smf.ols('y ~ x', data).fit()
print(fit.params.round(4).to_dict(), round(fit.rsquared, 5))
print('OLS Regression Results' in str(fit.summary()))
logit = sm.Logit([0, 0, 1, 0, 1, 1], sm.add_constant(np.arange(6.0)))
print(logit.fit(disp=0).params.round(3).tolist())
print(round(sm.stats.durbin_watson(fit.resid), 4))
