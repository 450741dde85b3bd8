# needs: PIL
# image: drawing.png png 120x80
# image: photo.jpg jpeg 60x40
# image: small.webp webp 30x20
# image: moving.gif gif 20x20
# Drawing, text, filters, formats.

import io

from PIL import Image, ImageDraw, ImageFilter, ImageFont

image = Image.new('RGB', (120, 80), 'white')
draw = ImageDraw.Draw(image)
draw.rectangle([10, 10, 60, 40], fill=(255, 0, 0))
draw.text((5, 60), 'Text', fill='black', font=ImageFont.load_default())
image.save('drawing.png')
print(image.getpixel((20, 20)), image.getpixel((0, 0)),
      image.getbbox(), image.mode)

small = image.resize((60, 40)).convert('L')
small.save('photo.jpg', quality=90)
print(small.getextrema(), sum(small.histogram()))
image.resize((30, 20)).rotate(90).save('small.webp', lossless=True)

frames = [Image.new('P', (20, 20), n) for n in range(3)]
frames[0].save('moving.gif', save_all=True, append_images=frames[1:])
print(image.filter(ImageFilter.BLUR).getpixel((35, 25)))

memory = io.BytesIO()
image.save(memory, 'TIFF')
print(Image.open(memory).size, Image.open('moving.gif').n_frames)

big = ImageFont.truetype('DejaVuSans.ttf', 24)
print(big.getbbox('Ag')[2] > 20)
