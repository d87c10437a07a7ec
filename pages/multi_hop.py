"""The multi-hop study: does attention pass through the bridge?"""

from __future__ import annotations

from pages.ui import shell, story

shell.ensure(__file__)
story.page("multi_hop")
