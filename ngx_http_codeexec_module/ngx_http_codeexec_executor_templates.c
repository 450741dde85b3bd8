
/*
 * Copyright (C) The codeexec authors.
 *
 * The executor API: programs to begin with.
 */


#include "ngx_http_codeexec_executor.h"


typedef struct {
    ngx_str_t  name;
    ngx_str_t  code;
} ngx_http_codeexec_template_t;


static void ngx_http_codeexec_write_templates(ngx_http_codeexec_writer_t *w);
static void ngx_http_codeexec_write_template(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_template_t *t);
static ngx_int_t ngx_http_codeexec_no_template(ngx_http_codeexec_ctx_t *ctx);


static ngx_http_codeexec_template_t  ngx_http_codeexec_templates[] = {

    { ngx_string("matplotlib_basic"),
      ngx_string(
          "import matplotlib.pyplot as plt\n"
          "import numpy as np\n"
          "\n"
          "angle = np.linspace(0, 2 * np.pi, 200)\n"
          "\n"
          "plt.figure(figsize=(8, 4))\n"
          "plt.plot(angle, np.sin(angle), label='sine')\n"
          "plt.plot(angle, np.cos(angle), label='cosine', linestyle='--')\n"
          "plt.xlabel('angle')\n"
          "plt.ylabel('value')\n"
          "plt.title('Two waves')\n"
          "plt.legend()\n"
          "plt.grid(alpha=0.3)\n"
          "plt.show()\n")
    },

    { ngx_string("plotly_scatter"),
      ngx_string(
          "import numpy as np\n"
          "import plotly.graph_objects as go\n"
          "\n"
          "random = np.random.default_rng(7)\n"
          "x = random.normal(size=150)\n"
          "y = 0.6 * x + random.normal(scale=0.5, size=150)\n"
          "\n"
          "fig = go.Figure(go.Scatter(x=x, y=y, mode='markers',\n"
          "                           marker={'size': 9, 'color': y, 's"
              "howscale': True}))\n"
          "fig.update_layout(title='Scatter plot', xaxis_title='x', yax"
              "is_title='y',\n"
          "                  width=800, height=500)\n"
          "fig.show()\n")
    },

    { ngx_string("pandas_analysis"),
      ngx_string(
          "import matplotlib.pyplot as plt\n"
          "import pandas as pd\n"
          "\n"
          "sales = pd.DataFrame({\n"
          "    'month': ['Jan', 'Feb', 'Mar', 'Apr'] * 3,\n"
          "    'product': ['tea'] * 4 + ['coffee'] * 4 + ['cocoa'] * 4,\n"
          "    'units': [12, 15, 11, 18, 30, 28, 35, 33, 9, 7, 6, 8],\n"
          "})\n"
          "\n"
          "summary = sales.groupby('product')['units'].agg(['sum', 'mea"
              "n', 'max'])\n"
          "print(summary)\n"
          "\n"
          "summary['sum'].sort_values().plot.barh(title='Units sold')\n"
          "plt.tight_layout()\n"
          "plt.show()\n")
    },

    { ngx_string("sklearn_preprocessing"),
      ngx_string(
          "import matplotlib.pyplot as plt\n"
          "import numpy as np\n"
          "import pandas as pd\n"
          "from sklearn.preprocessing import MinMaxScaler, StandardScaler\n"
          "\n"
          "random = np.random.default_rng(3)\n"
          "data = pd.DataFrame({'height': random.normal(172, 9, 200),\n"
          "                     'income': random.gamma(3, 900, 200)})\n"
          "\n"
          "standard = StandardScaler().fit_transform(data)\n"
          "min_max = MinMaxScaler().fit_transform(data)\n"
          "print('standard: mean', standard.mean(axis=0).round(3),\n"
          "      'deviation', standard.std(axis=0).round(3))\n"
          "print('min-max: from', min_max.min(axis=0), 'to', min_max.ma"
              "x(axis=0))\n"
          "\n"
          "fig, axes = plt.subplots(1, 3, figsize=(12, 4))\n"
          "for ax, title, values in zip(axes, ('as it is', 'standard', "
              "'min-max'),\n"
          "                             (data.to_numpy(), standard, min"
              "_max)):\n"
          "    ax.scatter(values[:, 0], values[:, 1], s=10)\n"
          "    ax.set_title(title)\n"
          "plt.tight_layout()\n"
          "plt.show()\n")
    },

    { ngx_string("sklearn_linear_regression"),
      ngx_string(
          "import matplotlib.pyplot as plt\n"
          "import numpy as np\n"
          "from sklearn.linear_model import LinearRegression\n"
          "from sklearn.metrics import mean_squared_error, r2_score\n"
          "from sklearn.model_selection import train_test_split\n"
          "\n"
          "random = np.random.default_rng(11)\n"
          "x = random.uniform(0, 10, (120, 1))\n"
          "y = 2.5 * x[:, 0] + 4 + random.normal(scale=2, size=120)\n"
          "\n"
          "x_train, x_test, y_train, y_test = train_test_split(x, y, te"
              "st_size=0.25,\n"
          "                                                    random_s"
              "tate=1)\n"
          "model = LinearRegression().fit(x_train, y_train)\n"
          "predicted = model.predict(x_test)\n"
          "\n"
          "print(f'y = {model.coef_[0]:.2f} x + {model.intercept_:.2f}')\n"
          "print(f'R2: {r2_score(y_test, predicted):.3f}')\n"
          "print(f'mean squared error: {mean_squared_error(y_test, pred"
              "icted):.3f}')\n"
          "\n"
          "line = np.array([[0], [10]])\n"
          "plt.scatter(x_test, y_test, label='test data')\n"
          "plt.plot(line, model.predict(line), color='red', label='model')\n"
          "plt.legend()\n"
          "plt.title('Linear regression')\n"
          "plt.show()\n")
    },

    { ngx_string("sklearn_classification"),
      ngx_string(
          "import matplotlib.pyplot as plt\n"
          "import pandas as pd\n"
          "from sklearn.datasets import load_iris\n"
          "from sklearn.ensemble import RandomForestClassifier\n"
          "from sklearn.metrics import accuracy_score, confusion_matrix\n"
          "from sklearn.model_selection import train_test_split\n"
          "\n"
          "iris = load_iris()\n"
          "x_train, x_test, y_train, y_test = train_test_split(\n"
          "    iris.data, iris.target, test_size=0.3, stratify=iris.target,\n"
          "    random_state=5)\n"
          "\n"
          "model = RandomForestClassifier(n_estimators=50, random_state=5)\n"
          "model.fit(x_train, y_train)\n"
          "predicted = model.predict(x_test)\n"
          "\n"
          "print(f'accuracy: {accuracy_score(y_test, predicted):.3f}')\n"
          "confusion = pd.DataFrame(confusion_matrix(y_test, predicted),\n"
          "                         index=iris.target_names, columns=ir"
              "is.target_names)\n"
          "print(confusion)\n"
          "\n"
          "weight = pd.Series(model.feature_importances_, index=iris.fe"
              "ature_names)\n"
          "weight.sort_values().plot.barh(title='What the forest looks at')\n"
          "plt.tight_layout()\n"
          "plt.show()\n")
    },

    { ngx_string("seaborn_visualization"),
      ngx_string(
          "import matplotlib.pyplot as plt\n"
          "import numpy as np\n"
          "import pandas as pd\n"
          "import seaborn as sns\n"
          "\n"
          "random = np.random.default_rng(2)\n"
          "scores = pd.DataFrame({\n"
          "    'group': np.repeat(['A', 'B', 'C'], 60),\n"
          "    'score': np.concatenate([random.normal(mean, 8, 60)\n"
          "                             for mean in (60, 70, 75)]),\n"
          "    'hours': random.uniform(1, 9, 180),\n"
          "})\n"
          "\n"
          "sns.set_theme(style='whitegrid')\n"
          "fig, axes = plt.subplots(1, 2, figsize=(11, 4))\n"
          "sns.boxplot(data=scores, x='group', y='score', ax=axes[0])\n"
          "sns.scatterplot(data=scores, x='hours', y='score', hue='grou"
              "p', ax=axes[1])\n"
          "plt.tight_layout()\n"
          "plt.show()\n")
    },

    { ngx_string("scipy_stats"),
      ngx_string(
          "import matplotlib.pyplot as plt\n"
          "import numpy as np\n"
          "from scipy import stats\n"
          "\n"
          "random = np.random.default_rng(4)\n"
          "before = random.normal(100, 12, 80)\n"
          "after = random.normal(106, 12, 80)\n"
          "\n"
          "test = stats.ttest_ind(before, after)\n"
          "print(f't = {test.statistic:.3f}, p = {test.pvalue:.4f}')\n"
          "print(f'Shapiro-Wilk: p = {stats.shapiro(before).pvalue:.3f}')\n"
          "\n"
          "x = np.linspace(60, 150, 300)\n"
          "for name, values in ('before', before), ('after', after):\n"
          "    mean, deviation = stats.norm.fit(values)\n"
          "    plt.hist(values, bins=15, density=True, alpha=0.4, label"
              "=name)\n"
          "    plt.plot(x, stats.norm.pdf(x, mean, deviation))\n"
          "plt.legend()\n"
          "plt.title('Two samples and their normal distributions')\n"
          "plt.show()\n")
    },

    { ngx_null_string, ngx_null_string }
};


ngx_int_t
ngx_http_codeexec_executor_templates(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    ngx_http_codeexec_writer_t  w;

    ngx_memzero(&w, sizeof(ngx_http_codeexec_writer_t));

    ngx_http_codeexec_write_templates(&w);

    if (ngx_http_codeexec_make_room(ctx, &w) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_codeexec_write_templates(&w);

    return NGX_DONE;
}


static void
ngx_http_codeexec_write_templates(ngx_http_codeexec_writer_t *w)
{
    ngx_http_codeexec_template_t  *t;

    ngx_http_codeexec_put_text(w, "{");

    for (t = ngx_http_codeexec_templates; t->name.len; t++) {
        ngx_http_codeexec_put_comma(w, 1);
        ngx_http_codeexec_put_string(w, &t->name);
        ngx_http_codeexec_put_text(w, ":");
        ngx_http_codeexec_put_string(w, &t->code);
    }

    ngx_http_codeexec_put_text(w, "}");
}


ngx_int_t
ngx_http_codeexec_executor_template(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    ngx_http_codeexec_writer_t     w;
    ngx_http_codeexec_template_t  *t;

    for (t = ngx_http_codeexec_templates; t->name.len; t++) {

        if (t->name.len == ctx->name.len
            && ngx_memcmp(t->name.data, ctx->name.data, t->name.len) == 0)
        {
            break;
        }
    }

    if (t->name.len == 0) {
        return ngx_http_codeexec_no_template(ctx);
    }

    ngx_memzero(&w, sizeof(ngx_http_codeexec_writer_t));

    ngx_http_codeexec_write_template(&w, t);

    if (ngx_http_codeexec_make_room(ctx, &w) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_codeexec_write_template(&w, t);

    return NGX_DONE;
}


static void
ngx_http_codeexec_write_template(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_template_t *t)
{
    ngx_http_codeexec_put_text(w, "{\"name\":");
    ngx_http_codeexec_put_string(w, &t->name);
    ngx_http_codeexec_put_text(w, ",\"code\":");
    ngx_http_codeexec_put_string(w, &t->code);
    ngx_http_codeexec_put_text(w, "}");
}


/* A name with a "/" in it is another path to the original. */

static ngx_int_t
ngx_http_codeexec_no_template(ngx_http_codeexec_ctx_t *ctx)
{
    if (ctx->name.len == 0
        || ngx_strlchr(ctx->name.data, ctx->name.data + ctx->name.len, '/'))
    {
        return NGX_HTTP_NOT_FOUND;
    }

    return ngx_http_codeexec_refuse(ctx, NGX_HTTP_NOT_FOUND,
                                    "模板 '%V' 不存在", &ctx->name);
}
