# Copyright (C) The codeexec authors.
"""Images of PIL."""

import io

import errors
import results
from watch import is_a

AS_THEY_ARE = {'1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'I', 'I;16'}


def install(module):
    module.Image.show = show


def forms(value):
    if not is_a(value, 'PIL.Image', 'Image'):
        return None
    text = '<Image mode=%s size=%dx%d>' % (value.mode, *value.size)
    if value.mode not in AS_THEY_ARE:
        value = value.convert('RGBA' if value.mode in ('PA', 'La', 'RGBa')
                              else 'L' if value.mode == 'F' else 'RGB')
    out = io.BytesIO()
    value.save(out, 'PNG')
    return [('text', text.encode()), ('png', out.getvalue())]


def show(self, title=None, **options):
    """Display this image."""
    try:
        results.put(forms(self), name=title)
    except Exception as error:
        errors.mention(error)
