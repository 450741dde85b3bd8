# Some forms only
# shown: {"html": "<b>"}
# shown: {"text": "B"}
# shown: {"text": "B", "html": "<b>"}
class B:
    def __repr__(self): return 'B'
    def _repr_html_(self): return '<b>'
display(B(), include=['text/html'])
display(B(), exclude=['text/html'])
handle = display(display_id='h')
handle.update(B())
