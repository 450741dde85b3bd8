# A page, where the job asks for it, and plotly.express
# needs: plotly
# options: {"plotly": "html", "last_value": true}
# shown: {"text": "Figure with 1 traces", "application/vnd.plotly.v1+json": {"like": "\"data\""}, "html": {"like": "<html>.*Plotly.newPlot.*</html>"}, "@size": "700x450", "@main": ""}
import plotly.express as px
px.line(x=[1, 2], y=[3, 4])
