# A table with colours, as HTML
# needs: jinja2
# options: {"last_value": true}
# shown: {"text": {"like": "Styler"}, "html": {"like": "background-color: yellow"}, "@main": ""}
import pandas as pd
pd.DataFrame({'a': [1, 2]}).style.highlight_max()
