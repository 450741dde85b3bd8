# A bundle of media types, with and without metadata
# shown: {"text": "T", "html": "<i>", "application/vnd.vegalite.v5+json": {"json": {"mark": "bar"}}, "image/bmp": "BM"}
# shown: {"text": "Two", "gif": "G"}
# shown: {"text": "raw", "json": {"json": [1]}}
# stderr: {"like": "ValueError: no media type: 'no media type'"}
class One:
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {'text/plain': 'T', 'text/html': '<i>', 'image/bmp': 'Qk0=',
                'application/vnd.vegalite.v5+json': {'mark': 'bar'}}
class Two:
    def __repr__(self): return 'Two'
    def _repr_mimebundle_(self, **options):
        return {'image/gif': b'G', 'no media type': 'x'}, {'image/gif': {}}
display(One(), Two())
display({'text/plain': 'raw', 'application/json': [1]}, raw=True)
