"""The few shapes that the pictures of the documentation are drawn of. Colours are readable on white and in print."""

from xml.sax.saxutils import escape

INK, MUTED, RULE, PALE = "#1f2933", "#66727f", "#c4ccd4", "#f3f6f9"
BLUE, ORANGE, GREEN, RED = "#336791", "#d08a2e", "#5b8c5a", "#b5483f"
FONT = "font-family=\"'DejaVu Sans', 'Segoe UI', Helvetica, Arial, sans-serif\""


def text(x, y, content, size=13, fill=INK, anchor="start", weight="normal"):
    """A line of text that begins, ends or has its middle at x."""
    return (f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{fill}" text-anchor="{anchor}" font-weight="{weight}">'
            f"{escape(content)}</text>")


def rect(x, y, width, height, fill, stroke="none", radius=0):
    """A box."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}" stroke="{stroke}" rx="{radius}"/>'


def path(points, stroke=MUTED, dashed=False, marker=""):
    """A line through points, with an arrowhead or not."""
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    end = f' marker-end="url(#{marker})"' if marker else ""
    course = "M" + " L".join(f"{x:g} {y:g}" for x, y in points)
    return f'<path d="{course}" fill="none" stroke="{stroke}" stroke-width="1.5"{dash}{end}/>'


def arrowhead(name, fill):
    """What path() can end in."""
    return (f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
            f'<path d="M0 0 L10 5 L0 10 z" fill="{fill}"/></marker>')


def document(width, height, title, shapes, definitions=()):
    """A whole picture."""
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" {FONT} role="img">',
             f"<title>{escape(title)}</title>"]
    lines += [f"<defs>{''.join(definitions)}</defs>"] if definitions else []
    return "\n".join([*lines, rect(0, 0, width, height, "#ffffff"), *shapes, "</svg>"]) + "\n"
