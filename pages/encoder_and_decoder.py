"""The comparison of an encoder with a decoder: the same sentences, read by a BERT and by a GPT-2."""

from __future__ import annotations

from pages.ui import shell, story

shell.ensure(__file__)
story.page("encoder_and_decoder")
