import random

random.seed(1)

with open("image.png", "wb") as f:
    f.write(b"\x89PNG\r\n\x1a\n" + random.randbytes(30712))
