"""Fine-tuning: models, losses, recipes, the loop, patching and export. Needs the extra `train`."""
