"""Workbooks for tests: made part by part, so that they can hold what no program writes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_OASIS = "urn:oasis:names:tc:opendocument:xmlns"


def zipped(parts: Mapping[str, str | bytes], packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packed) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def xlsx_parts(
    rows: str, texts: str = "", formats: Mapping[int, str] | None = None, book: str = "", namespace: str = _MAIN
) -> dict[str, str]:
    """Give the parts of a workbook; style 1 is the first of the formats, and so on."""
    codes = formats or {}
    return {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": _relations(
            f'<Relationship Id="r1" Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/>'
        ),
        "xl/workbook.xml": f'<workbook xmlns="{namespace}" xmlns:r="{_RELATIONS}">{book}'
        '<sheets><sheet name="One" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _relations(
            f'<Relationship Id="r1" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/>'
            f'<Relationship Id="r2" Type="{_RELATIONS}/styles" Target="styles.xml"/>'
            f'<Relationship Id="r3" Type="{_RELATIONS}/sharedStrings" Target="/xl/sharedStrings.xml"/>'
        ),
        "xl/styles.xml": f'<styleSheet xmlns="{namespace}"><numFmts>'
        + "".join(f'<numFmt numFmtId="{number}" formatCode="{code}"/>' for number, code in codes.items() if code)
        + '</numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf/>'
        + "".join(f'<xf numFmtId="{number}"/>' for number in codes)
        + "</cellXfs></styleSheet>",
        "xl/sharedStrings.xml": f'<sst xmlns="{namespace}">{texts}</sst>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{namespace}"><dimension ref="A1:XFD1048576"/>'
        f"<sheetData>{rows}</sheetData></worksheet>",
    }


def _relations(content: str) -> str:
    return f'<Relationships xmlns="{_PACKAGE}">{content}</Relationships>'


def xlsx(rows: str, texts: str = "", formats: Mapping[int, str] | None = None, book: str = "") -> bytes:
    return zipped(xlsx_parts(rows, texts, formats, book))


def text_row(*values: str, number: str = "") -> str:
    cells = "".join(f'<c t="inlineStr"><is><t xml:space="preserve">{value}</t></is></c>' for value in values)
    return f"<row{number}>{cells}</row>"


def ods_parts(tables: str, styles: str = "") -> dict[str, str]:
    spaces = " ".join(f'xmlns:{name}="{_OASIS}:{name}:1.0"' for name in ("office", "table", "text", "style"))
    return {
        "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
        "content.xml": f"<office:document-content {spaces} "
        'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0">'
        f"<office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>",
    }


def ods(rows: str, name: str = "One") -> bytes:
    return zipped(ods_parts(f'<table:table table:name="{name}">{rows}</table:table>'))


def ods_row(*cells: str, times: int = 1) -> str:
    """Give a row of cells: each is its attributes without prefixes, then perhaps ``>`` and what is in it."""
    return (
        f'<table:table-row table:number-rows-repeated="{times}">'
        + "".join(_ods_cell(cell) for cell in cells)
        + "</table:table-row>"
    )


def _ods_cell(cell: str) -> str:
    attributes, _, content = cell.partition(">")
    return f"<table:table-cell {attributes}>{content}</table:table-cell>"


def ods_text(text: str) -> str:
    return f'office:value-type="string"><text:p>{text}</text:p>'
