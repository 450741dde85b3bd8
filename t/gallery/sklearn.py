# needs: sklearn
# Fitting, predicting, cross-validation, clusters; on two processes, too.

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

fit = LinearRegression().fit([[0], [1], [2]], [1, 3, 5])
print(fit.coef_.round(6), round(fit.intercept_, 6))

x, y = load_iris(return_X_y=True)
print(x.shape, np.bincount(y))
x1, x2, y1, y2 = train_test_split(x, y, random_state=0, stratify=y)
model = make_pipeline(StandardScaler(), LogisticRegression())
print(round(model.fit(x1, y1).score(x2, y2), 2) > 0.9)
forest = RandomForestClassifier(20, random_state=0)
print(cross_val_score(forest, x, y, cv=3, n_jobs=2).mean() > 0.9)
print(PCA(2).fit(x).explained_variance_ratio_.round(4).tolist())
labels = KMeans(2, n_init=2, random_state=0).fit_predict([[0], [1], [9], [8]])
print(labels[0] == labels[1] != labels[2] == labels[3])
