"""The negation study: does attention to a negation decide the sentiment?"""

from __future__ import annotations

from pages.ui import shell, story

shell.ensure(__file__)
story.page("negation")
