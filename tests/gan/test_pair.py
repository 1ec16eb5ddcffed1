import keras
import pytest

from tfgenai.gan import networks
from tfgenai.gan.losses import HingeLoss, WassersteinLoss
from tfgenai.gan.pair import make_networks
from tfgenai.gan.penalties import WassersteinGP
from tfgenai.layers import SeededDropout


def make(image_shape=None, generator=None, discriminator=None, **changes):
    arguments = {
        "latent_dim": 4,
        "network": "mlp",
        "adversarial_loss": HingeLoss(),
        "penalty": None,
        "num_classes": None,
        "dropout": 0.0,
        "seed": 0,
        "dtype": None,
    }
    return make_networks(
        image_shape, generator, discriminator, **{**arguments, **changes}
    )


@pytest.mark.parametrize(
    ("network", "kind"), [("mlp", keras.layers.Dense), ("dcgan", keras.layers.Conv2D)]
)
def test_builds_what_is_not_given(network, kind):
    generator, discriminator, shape = make((8, 8, 1), network=network)
    assert shape == (8, 8, 1)
    assert generator.output_shape == (None, 8, 8, 1)
    assert any(isinstance(layer, kind) for layer in discriminator.layers)


def test_the_shape_comes_from_the_generator():
    mine = networks.mlp_generator((6, 5, 2), latent_dim=4)
    generator, discriminator, shape = make(generator=mine)
    assert generator is mine
    assert shape == (6, 5, 2)
    assert discriminator.input_shape == (None, 6, 5, 2)


def test_the_shape_comes_from_the_discriminator():
    mine = networks.mlp_discriminator((6, 5, 2))
    generator, discriminator, shape = make(discriminator=mine)
    assert discriminator is mine
    assert shape == (6, 5, 2)
    assert generator.output_shape == (None, 6, 5, 2)


def test_refuses_to_guess_the_shape():
    with pytest.raises(ValueError, match="image_shape=None and no network"):
        make()


def test_refuses_networks_of_different_shapes():
    with pytest.raises(ValueError, match=r"\(batch, 6, 5, 2\)"):
        make(
            generator=networks.mlp_generator((6, 5, 2), latent_dim=4),
            discriminator=networks.mlp_discriminator((8, 8, 1)),
        )


def test_refuses_a_wasserstein_critic_without_a_constraint():
    with pytest.raises(ValueError, match="penalty='wgan_gp'"):
        make((8, 8, 1), adversarial_loss=WassersteinLoss())
    make((8, 8, 1), adversarial_loss=WassersteinLoss(), penalty=WassersteinGP())
    critic = networks.mlp_discriminator((8, 8, 1), spectral_normalization=True)
    make(discriminator=critic, adversarial_loss=WassersteinLoss())


def test_dropout_goes_into_the_discriminator_that_is_built():
    generator, discriminator, _ = make((8, 8, 1), dropout=0.3)
    found = [
        [layer for layer in network.layers if isinstance(layer, SeededDropout)]
        for network in (generator, discriminator)
    ]
    assert [len(layers) for layers in found] == [0, 2]


def test_refuses_dropout_beside_a_discriminator():
    with pytest.raises(ValueError, match=r"dropout=0\.3 and a discriminator"):
        make(discriminator=networks.mlp_discriminator((8, 8, 1)), dropout=0.3)


@pytest.mark.parametrize("role", ["generator", "discriminator"])
def test_warns_of_keras_s_own_dropout(role):
    network = (
        networks.mlp_generator((8, 8, 1), latent_dim=4)
        if role == "generator"
        else networks.mlp_discriminator((8, 8, 1))
    )
    inputs = keras.Input(network.input_shape[1:])
    dropped = keras.layers.Dropout(0.1)(inputs)
    with pytest.warns(UserWarning, match="SeededDropout"):
        make(**{role: keras.Model(inputs, network(dropped))})
