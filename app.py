"""AttentionLab in a browser: the pages, their titles, icons and order. `make app` serves it."""

from __future__ import annotations

from pages.ui import shell

PAGES = (
    shell.Entry("start", "Start", ":material/bolt:"),
    shell.Entry("compare", "Compare", ":material/compare_arrows:"),
    shell.Entry("manipulate", "Manipulate", ":material/tune:"),
    shell.Entry("heads", "Heads", ":material/grid_view:"),
    shell.Entry("graph", "Graph", ":material/hub:"),
    shell.Entry("next_tokens", "Next tokens", ":material/edit_note:"),
    shell.Entry("negation", "Negation", ":material/exposure_neg_1:"),
    shell.Entry("gender_bias", "Gender bias", ":material/wc:"),
    shell.Entry("multi_hop", "Multi-hop", ":material/route:"),
    shell.Entry("encoder_and_decoder", "BERT and GPT-2", ":material/swap_horiz:"),
    shell.Entry("fine_tuning", "Fine-tuning", ":material/model_training:"),
    shell.Entry("experiments", "Experiments", ":material/science:"),
    shell.Entry("models", "Models", ":material/deployed_code:"),
)

if __name__ == "__main__":
    shell.main(PAGES)
