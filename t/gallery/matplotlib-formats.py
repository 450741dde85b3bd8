# image: chart.png png 640x480
# image: chart.svg svg
# image: chart.jpg jpeg 640x480
# image: chart.webp webp 640x480
# has: chart.svg WenQuanYiMicroHei-4e2d
# has: chart.svg WenQuanYiMicroHei-6587
# A figure with Chinese, Japanese and Cyrillic text in every format.

import re
import zlib

import matplotlib.pyplot as plt

figure, axes = plt.subplots()
axes.plot([1, 3, 2], label='中文标签')
axes.set_title('中文标题 日本語 Заголовок ±½')
axes.set_xlabel('$\\alpha_1 + \\frac{1}{2}$')
axes.legend()
for name in 'png', 'svg', 'pdf', 'jpg', 'webp':
    figure.savefig('chart.' + name, dpi=100)

with open('chart.pdf', 'rb') as f:
    pdf = f.read()
print(pdf[:8], pdf.rstrip()[-5:], b'/Count 1' in pdf)
print(sorted({name.decode() for name in
              re.findall(rb'/BaseFont /[A-Z]{6}\+(\S+)', pdf)}))
streams = re.findall(rb'stream\r?\n(.*?)\r?\nendstream', pdf, re.S)
print(any(b' l\n' in zlib.decompress(s) for s in streams if s[:1] == b'x'))
