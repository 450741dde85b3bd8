# needs: networkx
# image: graph.png png 300x300
# Paths, trees, centrality, drawing.

import matplotlib.pyplot as plt
import networkx as nx

graph = nx.Graph()
graph.add_weighted_edges_from([('a', 'b', 4), ('a', 'c', 1), ('c', 'b', 2),
                               ('b', 'd', 5)])
print(nx.shortest_path(graph, 'a', 'd', weight='weight'),
      nx.shortest_path_length(graph, 'a', 'd', weight='weight'))
print(sorted(nx.minimum_spanning_tree(graph).edges(data='weight')))
print({n: round(r, 4) for n, r in nx.degree_centrality(graph).items()})
print(list(nx.topological_sort(nx.DiGraph([(1, 2), (2, 3), (1, 3)]))))
print({n: round(r, 3) for n, r in nx.pagerank(graph).items()})
plt.figure(figsize=(3, 3))
nx.draw(graph, nx.circular_layout(graph), with_labels=True)
plt.savefig('graph.png', dpi=100)
