# Image.show()
# needs: PIL
# shown: {"text": "<Image mode=RGB size=3x2>", "png": {"size": [3, 2], "at": {"0,0": "#ff0000", "2,1": "#00ff00"}}, "@size": "3x2"}
# shown: {"text": {"like": "RGBA"}, "png": {"size": [5, 7]}, "@size": "5x7", "@name": "second"}
from PIL import Image
image = Image.new('RGB', (3, 2), '#ff0000')
image.putpixel((2, 1), (0, 255, 0))
image.show()
Image.new('RGBA', (5, 7)).show(title='second')
