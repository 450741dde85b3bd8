# Modes that PNG does not have
# needs: PIL
# options: {"last_value": true}
# shown: {"text": "<Image mode=CMYK size=2x2>", "png": {"at": {"0,0": "#ff0000"}}, "@size": "2x2"}
# shown: {"text": "<Image mode=F size=2x2>", "png": {"at": {"0,0": "#808080"}}, "@size": "2x2"}
# shown: {"text": "<Image mode=HSV size=2x2>", "png": {"at": {"0,0": "#ffffff"}}, "@size": "2x2"}
# shown: {"text": "<Image mode=1 size=2x2>", "png": {"at": {"0,0": "#ffffff"}}, "@size": "2x2"}
# shown: {"text": "<Image mode=P size=2x2>", "png": {"at": {"0,0": "#0000ff"}}, "@size": "2x2", "@main": ""}
from PIL import Image
Image.new('CMYK', (2, 2), (0, 255, 255, 0)).show()
display(Image.new('F', (2, 2), 128))
display(Image.new('HSV', (2, 2), (0, 0, 255)), Image.new('1', (2, 2), 1))
Image.new('RGB', (2, 2), '#0000ff').convert('P')
