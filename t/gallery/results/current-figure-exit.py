# A program that exits with 0 has a figure, too, and it may be blank
# options: {"figure": true, "dpi": 10}
# needs: matplotlib
# shown: {"png": {"like": "PNG"}, "@size": {"like": "^6\\dx\\d\\d$"}}
import sys
sys.exit()
