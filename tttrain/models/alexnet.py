"""AlexNet with recurrent layers: the four networks of [GRU] Table I and their fusions.

Layers 1 to 5 are convolutions of single frames (11×11, 96; 5×5, 256; 3×3, 384) with 3×3 max-poolings,
stride 2, after the first two; layers 6 and 7 are convolutions or ConvGRUs; then fusion over time, two
fully connected layers of 4096 and the output. The GRU network has two GRUs of 1024 units in place of the
fully connected layers. Every activation but the gates' is a leaky ReLU, α = 0.1 [GRU §IV-B].

What the table leaves open is as in AlexNet: stride 4 and padding 2 of the first convolution, SAME padding of
the others, poolings without padding (so 224 px become 13×13), normalisation across channels after the first
two activations with the constants of AlexNet's paper (n = 5, k = 2, α = 10⁻⁴, β = 0.75), dropout after each
fully connected layer. A third pooling, AlexNet's last, is neither in the table nor here.

Initial weights are not printed either. Here they are drawn so that the signal keeps its strength from layer
to layer under a leaky ReLU (K. He et al., ICCV 2015); biases are 0. With torch's default it loses more than
half in each layer, the recurrent layers see next to nothing of the image, and training stands still.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from tttrain.errors import TrainError
from tttrain.models.blocks import classifier
from tttrain.models.convgru import BiConvGru, ConvGru, each, last
from tttrain.models.spec import CHANNELS, Inputs, InputShape, ModelSpec, Options

#: features of the five convolutions: of the table, and of torchvision's AlexNet
FEATURES = {"table": (96, 256, 384, 384, 256), "torchvision": (64, 192, 384, 256, 256)}
#: units of a fully connected layer, of a GRU in its place
UNITS, GRU_UNITS = 4096, 1024
#: slope of the leaky ReLU
SLOPE = 0.1

Kind = Literal["conv", "gru", "bigru"]


class AlexNetOptions(Options):
    """Options of the four networks."""

    width: float = Field(1.0, gt=0, le=1, description="share of all features and units that is kept")
    stride: int = Field(4, ge=1, le=4, description="of the first convolution; smaller for small images")
    features: Literal["table", "torchvision"] = Field(
        "table", description="of the convolutions; those of torchvision's AlexNet fit its weights"
    )
    dropout: float = Field(0.8, ge=0, lt=1, description="share of units that is dropped")


class ConvGruOptions(AlexNetOptions):
    """Options of the networks with ConvGRUs."""

    fusion: Literal["last_flat", "mean_flat", "last_avg", "flat"] = Field(
        "last_flat", description="of the frames' outputs into one"
    )


class GruOptions(AlexNetOptions):
    """Options of the network with GRUs."""

    fusion: Literal["flat", "last_flat"] = Field("flat", description="mean of the frames, or the last one")


def scaled(n: int, width: float) -> int:
    """Scale a number of features or units by the width; at least one."""
    return max(1, round(n * width))


def map_side(side: int, stride: int = 4) -> int:
    """Return the side of the maps after layer 4, given that of the image."""
    side = (side + 2 * 2 - 11) // stride + 1
    for _ in range(2):
        side = (side - 3) // 2 + 1
    return side


class Frames(nn.Module):
    """The layers that see single frames.

    Parameters
    ----------
    options : AlexNetOptions
    depth : int
        Convolutions, 3 to 5.
    """

    def __init__(self, options: AlexNetOptions, depth: int) -> None:
        super().__init__()
        widths = [scaled(n, options.width) for n in FEATURES[options.features][:depth]]
        sizes = (11, 5, 3, 3, 3)
        n = CHANNELS["rgb"]
        for i, out in enumerate(widths):
            stride, padding = (options.stride, 2) if i == 0 else (1, sizes[i] // 2)
            layers: list[nn.Module] = [_drawn(nn.Conv2d(n, out, sizes[i], stride, padding))]
            layers.append(nn.LeakyReLU(SLOPE, inplace=True))
            if i < 2:
                # torch divides α by n, the paper's formula does not
                layers += [nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2), nn.MaxPool2d(3, 2)]
            self.add_module(f"conv{i + 1}", nn.Sequential(*layers))
            n = out
        self.out = n

    def forward(self, rgb: Tensor) -> Tensor:
        """(N, 3, T, H, W) → (N, T, C, h, w)."""
        batch, length = rgb.shape[0], rgb.shape[2]
        x = rgb.transpose(1, 2).flatten(0, 1)
        for layer in self.children():
            x = layer(x)
        return x.view(batch, length, *x.shape[1:])


class RecurrentAlexNet(nn.Module):
    """What the four networks have in common.

    Parameters
    ----------
    shape : InputShape
    options : AlexNetOptions
    depth : int
        Convolutions of single frames.

    Attributes
    ----------
    imagenet : dict
        Layer of this network → the same of torchvision's AlexNet; see :mod:`tttrain.models.initial_weights`.

    Raises
    ------
    TrainError
        The input is too small for the poolings.
    """

    imagenet: ClassVar[dict[str, str]] = {
        **{f"frames.conv{i + 1}.0": f"features.{n}" for i, n in enumerate((0, 3, 6, 8, 10))},
        "fc9.0": "classifier.1",
        "fc10.0": "classifier.4",
    }

    def __init__(self, shape: InputShape, options: AlexNetOptions, depth: int) -> None:
        super().__init__()
        width, height = (map_side(side, options.stride) for side in shape.size)
        if min(width, height) < 1:
            least = next(s for s in range(1, 99) if map_side(s, options.stride) >= 1)
            raise TrainError(
                f"an input of {shape.size[0]}x{shape.size[1]} is gone after AlexNet's poolings; every side "
                f"must be {least} or more (--size), or the first convolution's stride smaller "
                "(--option stride=2)"
            )
        self.places = width * height
        self.frames = Frames(options, depth)


class ConvGruAlexNet(RecurrentAlexNet):
    """AlexNet whose layers 6 and 7 are a convolution or a ConvGRU each.

    Parameters
    ----------
    shape : InputShape
    classes : int
    options : ConvGruOptions
    kinds : (str, str)
        Of the layers 6 and 7: ``conv``, ``gru`` or ``bigru``; the last is recurrent.
    """

    def __init__(
        self, shape: InputShape, classes: int, options: ConvGruOptions, kinds: tuple[Kind, Kind]
    ) -> None:
        super().__init__(shape, options, kinds.index("conv") + 4 if "conv" in kinds else 3)
        features = [scaled(n, options.width) for n in FEATURES[options.features][3:]]
        n, layers = self.frames.out, []
        for kind, out in zip(kinds, features, strict=True):
            if kind != "conv":
                layers.append((BiConvGru if kind == "bigru" else ConvGru)(n, out))
                n = out
        self.recurrent = nn.ModuleList(layers)
        self.fusion = options.fusion
        flat = n if options.fusion == "last_avg" else n * self.places
        units = scaled(UNITS, options.width)
        self.fc9 = _dense(flat, units, options.dropout)
        self.fc10 = _dense(units, units, options.dropout)
        self.output = classifier(units, classes)

    def forward(self, inputs: Inputs) -> Tensor:
        """``rgb`` (N, 3, T, H, W) → logits (N, classes)."""
        x = self.frames(inputs["rgb"])
        for layer in self.recurrent[:-1]:
            x = each(layer(x))
        states = self.recurrent[-1](x)
        if self.fusion == "last_avg":
            fused = last(states).mean(dim=(-2, -1))
        elif self.fusion == "last_flat":
            fused = last(states).flatten(1)
        elif self.fusion == "mean_flat":
            fused = each(states).mean(dim=1).flatten(1)
        else:  # flat: each frame by itself until after the fully connected layers
            fused = each(states).flatten(2)
        features = self.fc10(self.fc9(fused))
        if self.fusion == "flat":
            features = features.mean(dim=1)
        out: Tensor = self.output(features)
        return out


class GruAlexNet(RecurrentAlexNet):
    """AlexNet with two GRUs of 1024 units in place of its fully connected layers.

    The GRU is equations 1 to 4 on vectors: a ConvGRU of 1×1 maps.

    Parameters
    ----------
    shape : InputShape
    classes : int
    options : GruOptions
    """

    def __init__(self, shape: InputShape, classes: int, options: GruOptions) -> None:
        super().__init__(shape, options, 5)
        units = scaled(GRU_UNITS, options.width)
        self.recurrent = nn.ModuleList(
            [ConvGru(self.frames.out * self.places, units, 1), ConvGru(units, units, 1)]
        )
        self.dropout = nn.Dropout(options.dropout)
        self.fusion = options.fusion
        self.output = classifier(units, classes)

    def forward(self, inputs: Inputs) -> Tensor:
        """``rgb`` (N, 3, T, H, W) → logits (N, classes)."""
        x = self.frames(inputs["rgb"]).flatten(2)[..., None, None]
        for layer in self.recurrent:
            x = self.dropout(layer(x))
        features = x.flatten(2)
        fused = features.mean(dim=1) if self.fusion == "flat" else features[:, -1]
        out: Tensor = self.output(fused)
        return out


def _drawn(layer: nn.Conv2d | nn.Linear) -> nn.Module:
    """Initialise the weights of a layer."""
    nn.init.kaiming_normal_(layer.weight, SLOPE, nonlinearity="leaky_relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _dense(n: int, out: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(_drawn(nn.Linear(n, out)), nn.LeakyReLU(SLOPE, inplace=True), nn.Dropout(dropout))


def one_way(shape: InputShape, classes: int, options: ConvGruOptions) -> nn.Module:
    """Build the 1D-ConvGRU AlexNet."""
    return ConvGruAlexNet(shape, classes, options, ("conv", "gru"))


def two_way(shape: InputShape, classes: int, options: ConvGruOptions) -> nn.Module:
    """Build the 2D-ConvGRU AlexNet: its ConvGRU is bi-directional."""
    return ConvGruAlexNet(shape, classes, options, ("conv", "bigru"))


def two_way_twice(shape: InputShape, classes: int, options: ConvGruOptions) -> nn.Module:
    """Build the 2D-2-ConvGRU AlexNet: layers 6 and 7 are both bi-directional ConvGRUs."""
    return ConvGruAlexNet(shape, classes, options, ("bigru", "bigru"))


#: of training, [GRU] §IV-B; the sampling method is that of its best result
_SETTINGS = {
    "optimizer": "adam", "schedule": "constant", "lr": 1e-4, "weight_decay": 5e-4, "batch": 32, "epochs": 300,
    "sampling": "method-1", "augmentation": "colour", "square": 240, "pixels": "standard",
}  # fmt: skip

MODELS = (
    ModelSpec(
        "gru-alexnet", "AlexNet, GRU in place of its FC layers", "[GRU] Table I", ("rgb",),
        GruOptions, GruAlexNet, _SETTINGS,
    ),
    ModelSpec(
        "1d-convgru", "AlexNet with a ConvGRU", "[GRU] Table I", ("rgb",), ConvGruOptions, one_way, _SETTINGS,
    ),
    ModelSpec(
        "2d-convgru", "AlexNet with a bi-directional ConvGRU", "[GRU] Table I", ("rgb",),
        ConvGruOptions, two_way, _SETTINGS,
    ),
    ModelSpec(
        "2d-2-convgru", "AlexNet with two bi-directional ConvGRUs", "[GRU] Table I", ("rgb",),
        ConvGruOptions, two_way_twice, _SETTINGS,
    ),
)  # fmt: skip
