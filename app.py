"""AttentionLab in a browser: the pages, their titles, icons and order. `make app` serves it."""

from __future__ import annotations

from pages.ui import shell

PAGES = (
    shell.Entry("start", "Start", ":material/bolt:"),
    shell.Entry("compare", "Compare", ":material/compare_arrows:", "One sentence"),
    shell.Entry("side_by_side", "Side by side", ":material/splitscreen_right:", "One sentence"),
    shell.Entry("manipulate", "Manipulate", ":material/tune:", "One sentence"),
    shell.Entry("heads", "Heads", ":material/grid_view:", "One sentence"),
    shell.Entry("graph", "Graph", ":material/hub:", "One sentence"),
    shell.Entry("next_tokens", "Next tokens", ":material/edit_note:", "One sentence"),
    shell.Entry("images", "Images", ":material/image:", "One picture"),
    shell.Entry("negation", "Negation", ":material/exposure_neg_1:", "Case studies"),
    shell.Entry("gender_bias", "Gender bias", ":material/wc:", "Case studies"),
    shell.Entry("multi_hop", "Multi-hop", ":material/route:", "Case studies"),
    shell.Entry("encoder_and_decoder", "BERT and GPT-2", ":material/swap_horiz:", "Case studies"),
    shell.Entry("fine_tuning", "Fine-tuning", ":material/model_training:", "Case studies"),
    shell.Entry("redundancy", "Redundancy", ":material/content_copy:", "Case studies"),
    shell.Entry("experiments", "Experiments", ":material/science:", "Data and models"),
    shell.Entry("leaderboard", "Leaderboard", ":material/leaderboard:", "Data and models"),
    shell.Entry("models", "Models", ":material/deployed_code:", "Data and models"),
)

if __name__ == "__main__":
    shell.main(PAGES)
