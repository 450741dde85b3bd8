# What an object says of itself
# options: {"last_value": true}
# shown: {"text": "Rich", "html": "<b>h</b>", "markdown": "*m*", "svg": "<svg/>", "png": "P", "jpeg": "J", "pdf": "%PDF", "latex": "$l$", "json": {"json": {"a": [1, null]}}, "javascript": "1", "@main": ""}
class Rich:
    def __repr__(self): return 'Rich'
    def _repr_html_(self): return '<b>h</b>'
    def _repr_markdown_(self): return '*m*', {'meta': 1}
    def _repr_svg_(self): return '<svg/>'
    def _repr_png_(self): return b'P'
    def _repr_jpeg_(self): return 'Sg=='
    def _repr_pdf_(self): return b'%PDF'
    def _repr_latex_(self): return '$l$'
    def _repr_json_(self): return {'a': (1, float('nan'))}
    def _repr_javascript_(self): return '1'
Rich()
