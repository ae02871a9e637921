"""The look of the page: Gradio's theme with the house's colours, and what CSS adds to it."""

from pathlib import Path

import gradio as gr
from gradio.themes.utils.colors import Color

# The page's own, for the stage of a hall, for a phone: what comes later prevails.
SHEETS = ("theme.css", "talk.css", "phone.css")

# A calm petrol blue on cool paper: figures carry the colour, the page does not.
PETROL = Color(
    c50="#eef7f8",
    c100="#d6ebee",
    c200="#aed8de",
    c300="#7cbfc9",
    c400="#459fad",
    c500="#1f7f8f",
    c600="#14697a",
    c700="#115462",
    c800="#11454f",
    c900="#0f3841",
    c950="#08242b",
)
INK = Color(
    c50="#f6f8f9",
    c100="#edf0f2",
    c200="#dde3e7",
    c300="#c3ccd3",
    c400="#8f9ca7",
    c500="#66747f",
    c600="#4b5862",
    c700="#36414a",
    c800="#20292f",
    c900="#151c21",
    c950="#0d1215",
)
# No web fonts: the page asks nobody but its own server for anything.
SANS = ("Inter", "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Noto Sans Mono", "monospace")


def css() -> str:
    """The stylesheet of the page."""
    return "\n".join(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in SHEETS)


def theme() -> gr.themes.Base:
    """Light and dark in one."""
    return gr.themes.Base(
        primary_hue=PETROL,
        secondary_hue=PETROL,
        neutral_hue=INK,
        radius_size=gr.themes.sizes.radius_md,
        font=SANS,
        font_mono=MONO,
    ).set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        background_fill_primary="white",
        background_fill_primary_dark="*neutral_900",
        background_fill_secondary="*neutral_50",
        background_fill_secondary_dark="*neutral_950",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_width="1px",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_800",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_title_text_weight="600",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_800",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        input_background_fill="white",
        input_background_fill_dark="*neutral_950",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_color_focus="*primary_500",
        input_border_color_focus_dark="*primary_400",
    )
