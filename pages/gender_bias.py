"""The gender study: can an edit of attention undo a stereotype?"""

from __future__ import annotations

from pages.ui import shell, story

shell.ensure(__file__)
story.page("gender_bias")
