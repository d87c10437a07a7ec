"""The style sheet of the HTML figures; it travels with each of them, so that they look the same anywhere."""

from __future__ import annotations

from attnlab_core.charts._colours import Palette, css, ink


def style(c: Palette) -> str:
    """A `<style>` element in the colours of one theme."""
    return (
        "<style>"
        ".al-row{display:grid;grid-template-columns:minmax(8.5rem,11.5rem) 1fr;gap:.1rem 1rem;padding:.3rem 0;align-items:start}"
        ".al-label{font-weight:600;padding-top:.35rem;line-height:1.25}"
        f".al-body p{{margin:.1rem 0 .2rem;font-size:.82rem;line-height:1.4;color:{css(c.muted)}}}"
        ".al-words{display:flex;flex-wrap:wrap;gap:.22rem .18rem;line-height:1.2}"
        ".al-w{position:relative;display:inline-flex;flex-direction:column;align-items:center;justify-content:center;"
        "min-width:2.9em;padding:.18em .42em;border-radius:.35em;white-space:pre-wrap;overflow-wrap:anywhere;max-width:100%;"
        f"box-shadow:inset 0 0 0 1px {css(c.line)}55}}"
        ".al-long{max-height:15rem;overflow-y:auto;font-size:.88rem;padding:.2rem}"
        ".al-w small{font-size:.7em;font-variant-numeric:tabular-nums}"
        ".al-special{font-style:italic;font-size:.86em}"
        f".al-w[data-mark]{{outline:2.5px solid {css(c.mark)};outline-offset:1px}}"
        f".al-w sup{{position:absolute;top:-.85em;right:-.5em;background:{css(c.mark)};color:{css(ink(c.mark))};"
        "border-radius:.6em;padding:.1em .45em;font-size:.66em;line-height:1.3;font-weight:600}"
        f".al-part{{flex-basis:100%;font-size:.75rem;margin-top:.25rem;color:{css(c.muted)}}}"
        ".al-plain .al-words{padding-top:.5rem}.al-plain .al-w{min-width:0;font-size:1.05em}"
        ".al-scroll{overflow-x:auto;max-width:100%}.al-scroll table{border-collapse:separate;border-spacing:2px;font-size:.88rem}"
        ".al-scroll th{font-weight:500;padding:.25em .5em;text-align:center;white-space:nowrap}"
        ".al-scroll td{padding:.4em .5em;text-align:center;border-radius:.3em;font-variant-numeric:tabular-nums;white-space:nowrap}"
        f".al-scroll tbody th,.al-scroll thead td{{position:sticky;left:0;background:{css(c.page)};text-align:left;z-index:1}}"
        ".al-p{display:grid;grid-template-columns:1fr auto;gap:.1rem .8rem;padding:.25rem 0;font-variant-numeric:tabular-nums}"
        ".al-p bdi{overflow-wrap:anywhere;font-weight:600}"
        f".al-n span{{color:{css(c.muted)}}}"
        f".al-bars{{grid-column:1/-1;display:grid;gap:3px;background:linear-gradient({css(c.line)}66,{css(c.line)}66);border-radius:.3em}}"
        ".al-bars i{display:block;height:.62rem;border-radius:.3em;min-width:2px;transition:width .25s}"
        f".al-key{{font-size:.85rem;color:{css(c.muted)};margin:.35rem 0}}"
        ".al-key i{display:inline-block;width:.8em;height:.8em;border-radius:.2em;vertical-align:-.05em;margin:0 .15em 0 .5em}"
        ".al-key i:first-child{margin-left:0}.al-key i.al-ramp{width:5.5em;margin:0 .4em}"
        ".al-verdict div{font-size:2rem;line-height:1.2;font-weight:600;overflow-wrap:anywhere}"
        ".al-verdict span{font-weight:400;font-variant-numeric:tabular-nums;white-space:nowrap}"
        f".al-verdict p{{margin:.1rem 0 .4rem;color:{css(c.muted)};font-size:.95rem}}"
        f".al-wait{{color:{css(c.muted)};padding-top:.35rem;font-style:italic}}"
        ".al-legend span{display:inline-block;margin-right:1.6em}"
        "@media(max-width:640px){.al-row{grid-template-columns:1fr}.al-label{padding-top:.5rem}}"
        "@media(prefers-reduced-motion:reduce){.al-bars i{transition:none}}"
        "</style>"
    )
