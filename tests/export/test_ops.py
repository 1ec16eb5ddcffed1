"""The list of allowed ops is TensorFlow 2.20's, less what cannot serve."""

from tfgenai.export import ops


def test_the_stock_list_is_that_of_tensorflow_2_20():
    stock = ops.stock_ops()
    assert len(stock) == 1461
    assert stock["RandomUniform"] == "stateful"
    assert stock["Assign"] == "ref"
    assert "XlaLaunch" not in stock
    assert ops.denied_reason("Assign") is not None
    assert ops.denied_reason("StatelessRandomNormalV2") is None
