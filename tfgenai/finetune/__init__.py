"""From a pre-trained model to a product: adapters, task heads, preferences."""
