# Copyright (C) The codeexec authors.
"""Prebuild matplotlib's font list: python3 -I fontcache.py DIRECTORY

Finding the fonts takes seconds, and a run can't keep what it found.  The
list and a matplotlibrc with a fallback for CJK text are made once for the
fonts that are installed then: when codeexec is built, and in each rootfs that
codeexec-rootfs builds.
"""

import os
import sys

RC = '''\
# A glyph that the first font lacks is taken from the next one.
font.family: sans-serif, WenQuanYi Micro Hei
'''


def main(directory):
    os.makedirs(directory, exist_ok=True)
    for name in os.listdir(directory):
        os.unlink(os.path.join(directory, name))
    rc = os.path.join(directory, 'matplotlibrc')
    with open(rc, 'w') as f:
        f.write(RC)

    # The fonts of whoever builds are not those of the runs.
    os.environ.update(HOME='/nonexistent', XDG_DATA_HOME='/nonexistent',
                      MPLCONFIGDIR=directory, MATPLOTLIBRC=rc,
                      MPLBACKEND='Agg')
    import matplotlib.font_manager as fonts
    manager = fonts.fontManager
    if not any(f.name == 'WenQuanYi Micro Hei' for f in manager.ttflist):
        print('fontcache.py: no CJK font, install fonts-wqy-microhei',
              file=sys.stderr)

    # They were found in the order of a directory, which is none.
    for fonts_found in (manager.ttflist, manager.afmlist):
        fonts_found.sort(key=lambda font: font.fname)
    for name in os.listdir(directory):
        if name.startswith('fontlist-'):
            fonts.json_dump(manager, os.path.join(directory, name))
        os.chmod(os.path.join(directory, name), 0o644)


main(sys.argv[1])
