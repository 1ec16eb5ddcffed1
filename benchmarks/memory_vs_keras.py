"""Start-up times, and peak memory of training against plain Keras, in fresh processes.

The plain side is the same VAE written as a subclassed `keras.Model` with a
`train_step`, fed from the same images in memory as float32.
"""

import subprocess
import sys
import time

from side_by_side import arguments, report

OURS = """
import resource, numpy as np, keras, tfgenai as tg
data = (np.random.default_rng(0).random((60000, 28, 28, 1)) < 0.13) * np.uint8(255)
model = tg.VAE((28, 28, 1), 20, hidden_units=(400,))
model.compile(keras.optimizers.Adam(1e-3))
dataset = tg.data.load(tg.data.ArraySource(data), batch_size=128, shuffle=True)
model.fit(dataset, epochs=2, verbose=0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""

PLAIN = """
import resource, numpy as np, keras, tensorflow as tf
data = (np.random.default_rng(0).random((60000, 784)) < 0.13).astype(np.float32)

class VAE(keras.Model):
    def __init__(self):
        super().__init__()
        dense = keras.layers.Dense
        layers = [keras.Input((784,)), dense(400, "relu"), dense(40)]
        self.encoder = keras.Sequential(layers)
        layers = [keras.Input((20,)), dense(400, "relu"), dense(784)]
        self.decoder = keras.Sequential(layers)
        self.tracker = keras.metrics.Mean(name="loss")
    def train_step(self, x):
        with tf.GradientTape() as tape:
            mean, log_variance = tf.split(self.encoder(x, training=True), 2, axis=1)
            z = mean + tf.exp(0.5 * log_variance) * tf.random.normal(tf.shape(mean))
            logits = self.decoder(z, training=True)
            cross = tf.nn.sigmoid_cross_entropy_with_logits(x, logits)
            kl = 0.5 * (tf.exp(log_variance) + mean**2 - 1 - log_variance)
            loss = tf.reduce_mean(tf.reduce_sum(cross, 1) + tf.reduce_sum(kl, 1))
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        self.tracker.update_state(loss)
        return {"loss": self.tracker.result()}

model = VAE()
model.compile(keras.optimizers.Adam(1e-3))
dataset = tf.data.Dataset.from_tensor_slices(data).shuffle(60000).batch(128)
model.fit(dataset, epochs=2, verbose=0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def peak_memory(code: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return float(done.stdout.splitlines()[-1])


def seconds(*command: str) -> float:
    start = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - start


def main() -> None:
    options = arguments()
    rounds = 1 if options.quick else 3
    memory = {"fit": [], "plain_keras": []}
    starts = {"import_tfgenai_s": [], "help_s": [], "client_s": []}
    python = sys.executable
    for _ in range(rounds):
        memory["fit"].append(1 / peak_memory(OURS))
        memory["plain_keras"].append(1 / peak_memory(PLAIN))
    for _ in range(5):
        starts["import_tfgenai_s"].append(seconds(python, "-c", "import tfgenai"))
        starts["help_s"].append(seconds(python, "-m", "tfgenai", "--help"))
        starts["client_s"].append(
            seconds(python, "-c", "import tfgenai as tg; tg.serving.Client")
        )
    report(
        "memory_vs_keras",
        memory,
        headline=("fit", "plain_keras"),
        unit="1/MiB of peak memory (higher is better)",
        extra={name: sorted(values)[2] for name, values in starts.items()},
        write=options.write,
    )


if __name__ == "__main__":
    main()
