"""Draw docs/preview.svg, the README's picture of `negagen preview`.

python -m scripts.docs.preview_picture
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console

from negagen import Negator
from negagen.cli.preview import show

CAPTION = "A brown dog chases two white cats under a wooden table."
OUTPUT = Path(__file__).parents[2] / "docs" / "preview.svg"


def main() -> None:
    console = Console(
        record=True, width=104, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False
    )
    console.print(f'[bold]$ negagen preview "{CAPTION}" --k 6 --rejected[/bold]\n')
    show(console, CAPTION, Negator(k=6, seed=5, explain=True)(CAPTION), rejected=True)
    console.print()
    svg = console.export_svg(title="negagen preview", unique_id="preview")
    # The fonts would be fetched from the network: any monospaced font will do.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code", "DejaVu Sans Mono")
    OUTPUT.write_text(svg, encoding="utf-8")
    print(OUTPUT)


if __name__ == "__main__":
    main()
