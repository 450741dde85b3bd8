# needs: lxml
# Parsing, XPath, XSLT, HTML; and an entity that would read a file does not.

from lxml import etree, html

root = etree.fromstring('<a><b n="1">x</b><b n="2">ä</b></a>')
print(root.xpath('//b[@n=2]/text()'), len(root))
print(etree.tostring(root, encoding='unicode'))
style = etree.XSLT(etree.fromstring(
    '<xsl:stylesheet version="1.0" '
    'xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/">'
    '<n><xsl:value-of select="count(//b)"/></n></xsl:template>'
    '</xsl:stylesheet>'))
print(str(style(root)).splitlines()[-1])
page = html.fromstring('<p>one<br>two <a href="x">three</a></p>')
print([e.tag for e in page.iter()], page.text_content())
try:
    etree.parse('http://example.com/x.xml')
except OSError as error:
    print('OSError', 'example.com' in str(error))
