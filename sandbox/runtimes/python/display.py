# Copyright (C) The codeexec authors.
"""display(), and the forms that an object has."""

import errors
import figures
import frames
import pictures
import plots
import results
import variables

LARGE = 10000   # items, above which a text is made of the first ones only

KNOWN = figures.forms, frames.forms, plots.forms, pictures.forms

METHODS = ('html', 'markdown', 'svg', 'png', 'jpeg', 'pdf', 'latex', 'json',
           'javascript')


def method(value, name):
    """Of an object, as IPython has it: not of a class, nor of one that has
    every attribute."""
    if isinstance(value, type) \
            or hasattr(value, '_ipython_canary_method_should_not_exist_'):
        return None
    found = getattr(value, name, None)
    return found if callable(found) else None


def name_of(kind):
    """The name of a form by its media type."""
    kind = str(kind).lower()
    if kind in results.NAMES:
        return kind
    kind = results.SHORT.get(kind, kind)
    if kind not in results.NAMES and not (
            len(kind) < 128 and results.MEDIA_TYPE.fullmatch(kind)):
        raise ValueError('no media type: %.100r' % kind)
    return kind


def add(forms, kind, content):
    if content is not None:
        name = name_of(kind)
        forms[name] = results.encode(name, content)


def add_bundle(forms, bundle):
    if isinstance(bundle, tuple):       # with metadata
        bundle = bundle[0]
    for kind, content in (bundle or {}).items():
        add(forms, kind, content)


def text_of(value):
    try:
        if type(value) in variables.BRACKETS and len(value) > LARGE:
            text = variables.beginning(value, results.TEXT_MAX - 2)
            return text + '\n…' * (len(text) == results.TEXT_MAX - 2)
        return repr(value)
    except Exception as error:
        errors.mention(error)
        return '<%s>' % type(value).__name__


def attempt(function, *args):
    try:
        return function(*args)
    except Exception as error:
        errors.mention(error)
        return None


def own_forms(value):
    """What an object says of itself."""
    forms = {}
    bundle = method(value, '_repr_mimebundle_')
    if bundle is not None:
        attempt(lambda: add_bundle(forms, bundle(include=None, exclude=None)))
    for kind in METHODS:
        represent = method(value, '_repr_%s_' % kind)
        if represent is not None and kind not in forms:
            attempt(add_own, forms, kind, represent)
    if 'text' not in forms:
        forms = {'text': results.encode('text', text_of(value)), **forms}
    return list(forms.items())


def add_own(forms, kind, represent):
    content = represent()
    if isinstance(content, tuple):      # with metadata
        content = content[0]
    add(forms, kind, content)


def forms_of(value):
    for function in KNOWN:
        forms = attempt(function, value)
        if forms is not None:
            return forms
    return own_forms(value)


def shows_itself(value):
    show = method(value, '_ipython_display_')
    if show is None or plots.is_figure(value):
        return False
    try:
        show()
    except NotImplementedError:
        return False
    except Exception as error:
        errors.mention(error)
    return True


def put(value, main=False, raw=False, only=None, but=()):
    if not raw and shows_itself(value):
        return
    if raw:
        forms = {}
        add_bundle(forms, value)
        forms = list(forms.items())
    else:
        forms = forms_of(value)
    if only:
        forms = [form for form in forms if form[0] in only]
    forms = [form for form in forms if form[0] not in but]
    if forms:
        results.put(forms, main)


class Handle:
    """What display(…, display_id=True) returns.  Nothing that was shown can
    be changed, so an update is shown, too."""

    def __init__(self, identity):
        self.display_id = identity

    def display(self, value, **options):
        display(value, **options)

    update = display


def display(*objs, include=None, exclude=None, metadata=None, transient=None,
            display_id=None, raw=False, clear=False, **kwargs):
    """Show objects, each as well as it can be shown."""
    try:
        only = {name_of(kind) for kind in include} if include else None
        but = {name_of(kind) for kind in exclude or ()}
        for value in objs:
            put(value, raw=raw, only=only, but=but)
    except Exception as error:
        errors.mention(error)
    return Handle(display_id) if display_id else None


def install(module):
    """IPython's own, which would print where there is no notebook."""
    module.display = display
