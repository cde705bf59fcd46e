#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a C table of the files that `dext new` writes: template.py OUTPUT FILE.in..."""
import os
import sys

with open(sys.argv[1], "w", encoding="utf-8") as out:
    out.write('#include "template.h"\n\nconst struct template_file template_files[] = {\n')
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        out.write('\t{"%s",\n' % os.path.basename(path)[:-len(".in")])
        for line in lines:
            out.write('\t "%s\\n"\n' % line.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t"))
        out.write("\t},\n")
    out.write("\t{0},\n};\n")
