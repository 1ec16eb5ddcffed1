"""The messages that the client speaks, byte for byte those of TensorFlow Serving."""
