# JSON that is given as text, and text that is none
# shown: {"text": "A", "json": "{\"a\":null}"}
# shown: {"json": "\"no JSON\"", "text": "B"}
class A:
    def __repr__(self): return 'A'
    def _repr_json_(self): return '{"a": NaN}'
display(A())
display({'application/json': 'no JSON', 'text/plain': 'B'}, raw=True)
