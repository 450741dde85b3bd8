# needs: plotly
# Figures as JSON and as pages; pictures of them take a browser, which is not
# there.

import json

import plotly.express as px
import plotly.graph_objects as go

figure = go.Figure(go.Bar(x=['a', 'b'], y=[1, 3]))
figure.update_layout(title='标题')
data = json.loads(figure.to_json())
print(data['data'][0]['type'], data['data'][0]['y'],
      data['layout']['title']['text'])
figure.write_html('page.html', include_plotlyjs=False)
with open('page.html') as f:
    print('Plotly.newPlot' in f.read())
print(px.line(x=[1, 2], y=[3, 4]).data[0].type)
try:
    figure.to_image('png')
except ValueError as error:
    print('kaleido' in str(error))
