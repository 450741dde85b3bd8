# needs: openpyxl
# A workbook with a formula, a style and a chart, and pandas reading it.

import openpyxl
import pandas as pd
from openpyxl.chart import BarChart, Reference
from openpyxl.styles import Font

book = openpyxl.Workbook()
sheet = book.active
sheet.title = '表'
sheet.append(['name', 'value'])
for row in ('a', 1), ('b', 2.5):
    sheet.append(row)
sheet['A1'].font = Font(bold=True)
sheet['B4'] = '=SUM(B2:B3)'
chart = BarChart()
chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=3))
sheet.add_chart(chart, 'D2')
book.save('book.xlsx')

again = openpyxl.load_workbook('book.xlsx')
print(again.sheetnames, [[c.value for c in row] for row in again.active.rows])
print(again.active['A1'].font.bold, len(again.active._charts))
print(pd.read_excel('book.xlsx', nrows=2).to_dict('list'))
pd.DataFrame({'x': [1]}).to_excel('other.xlsx', index=False)
print(pd.read_excel('other.xlsx').x[0])
