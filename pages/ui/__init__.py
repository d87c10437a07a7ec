"""What the pages share: the shell around them, their state, their widgets and the models behind them."""
