# fig.show(), whatever the renderer, and a figure that is left in a variable
# needs: plotly
# shown: {"text": "Figure with 1 traces", "application/vnd.plotly.v1+json": {"has": {"data": [{"type": "bar", "y": [1, 2]}], "layout": {"title": {"text": "one"}}}}, "@size": "700x450"}
# shown: {"text": "Figure with 1 traces", "application/vnd.plotly.v1+json": {"has": {"layout": {"width": 300, "height": 200}}}, "@size": "300x200"}
# shown: {"text": "Figure with 2 traces", "application/vnd.plotly.v1+json": {"has": {"data": [{"type": "scatter"}, {"type": "scatter"}]}}, "@size": "700x450", "@name": "left"}
import plotly.graph_objects as go
import plotly.io as pio
one = go.Figure(go.Bar(y=[1, 2]))
one.update_layout(title='one')
one.show()
pio.renderers.default = 'browser'
pio.show(go.Figure(go.Bar(y=[1]), layout=dict(width=300, height=200)),
         renderer='notebook')
left = go.Figure([go.Scatter(y=[1]), go.Scatter(y=[2])])
same = one
