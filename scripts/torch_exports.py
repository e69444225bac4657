#!/usr/bin/env python3
"""Models as PyTorch exports them, with ONNX Runtime's answers to one input.

    python3 -m venv target/torch
    target/torch/bin/pip install torch torchvision onnxscript transformers -r scripts/requirements.txt
    target/torch/bin/python scripts/torch_exports.py crates/lab/tests/torch
    target/torch/bin/python scripts/torch_exports.py --full target/data/torch

writes a case for each model and exporter: NAME.ts.onnx by TorchScript, NAME.dynamo.onnx
by torch.export. The small ones have the layers of torchvision's networks, and of
those of Hugging Face's transformers, at a fraction of the width, with seeded
weights; they are kept in the repository.
`--full` takes torchvision's own at full size: about 3 GB. `quorate-lab import
FOLDER` tries either.
"""

import argparse
import pathlib
import sys
import warnings
from functools import partial

import numpy
import onnx
import onnxruntime
import torch
import torchvision
from torch import nn
from torchvision.models import convnext, densenet, efficientnet, mobilenetv2
from torchvision.models import mobilenetv3, regnet, resnet, shufflenetv2, squeezenet
from torchvision.models import swin_transformer, vision_transformer
import transformers

PICTURE = (1, 3, 32, 32)
OPSET = 17


class Narrow(resnet.ResNet):
    """A residual network with four channels where torchvision has 64."""

    def _make_layer(self, block, planes, blocks, stride=1, dilate=False):
        if planes == 64:
            self.inplanes = 4
            self.conv1 = nn.Conv2d(3, 4, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(4)
        made = super()._make_layer(block, planes // 16, blocks, stride, dilate)
        if planes == 512:
            self.fc_inputs = planes // 16 * block.expansion
        return made


def narrow(block):
    model = Narrow(block, [1, 1, 1, 1], num_classes=10)
    model.fc = nn.Linear(model.fc_inputs, 10)
    return model


def mobilenet_v2():
    rows = [[1, 8, 1, 1], [6, 16, 2, 2]]
    return mobilenetv2.MobileNetV2(10, 0.1, rows, round_nearest=4)


def mobilenet_v3():
    conf = partial(mobilenetv3.InvertedResidualConfig, width_mult=1.0)
    rows = [conf(8, 3, 8, 8, True, "RE", 2, 1), conf(8, 5, 16, 8, True, "HS", 2, 1)]
    return mobilenetv3.MobileNetV3(rows, 16, num_classes=10)


def efficient():
    conf = partial(efficientnet.MBConvConfig, width_mult=1.0, depth_mult=1.0)
    fused = partial(efficientnet.FusedMBConvConfig)
    rows = [conf(1, 3, 1, 8, 8, 1), conf(4, 5, 2, 8, 16, 1), fused(2, 3, 1, 16, 16, 1)]
    return efficientnet.EfficientNet(rows, 0.0, num_classes=10, last_channel=16)


def regular():
    params = regnet.BlockParams.from_init_params(3, 8, 8.0, 2.0, 4, se_ratio=0.25)
    return regnet.RegNet(params, num_classes=10, stem_width=8)


def next_net():
    rows = [convnext.CNBlockConfig(8, 16, 1), convnext.CNBlockConfig(16, None, 1)]
    return convnext.ConvNeXt(rows, num_classes=10)


def shuffle():
    return shufflenetv2.ShuffleNetV2([2, 2, 2], [8, 8, 16, 16, 32], num_classes=10)


def vision():
    return vision_transformer.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=10)


def shifted():
    return swin_transformer.SwinTransformer([2, 2], 8, [1, 1], [2, 2], [4, 4], num_classes=10)


class Squeeze(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.fires = nn.Sequential(squeezenet.Fire(8, 4, 8, 8), squeezenet.Fire(16, 4, 8, 8))
        self.head = nn.Sequential(nn.Conv2d(16, 10, 1), nn.ReLU(), nn.AdaptiveAvgPool2d((1, 1)))

    def forward(self, x):
        return self.head(self.fires(self.pool(torch.relu(self.stem(x))))).flatten(1)


class UNet(nn.Module):
    """Down, up again by a transposed convolution and by interpolation."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, 2, 1)
        self.middle = nn.Conv2d(8, 16, 3, 2, 1)
        self.up = nn.ConvTranspose2d(16, 8, 2, 2)
        self.last = nn.Conv2d(16, 3, 3, padding=1)
        self.norm = nn.GroupNorm(2, 8)

    def forward(self, x):
        down = torch.relu(self.norm(self.down(x)))
        up = self.up(nn.functional.gelu(self.middle(down)))
        both = torch.cat([down, up], 1)
        return self.last(nn.functional.interpolate(both, scale_factor=2, mode="bilinear"))


class Encoder(nn.Module):
    """A transformer with an embedding, as language models have it."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(100, 16)
        self.places = nn.Parameter(torch.randn(1, 12, 16) * 0.1)
        layer = nn.TransformerEncoderLayer(16, 2, 32, activation="gelu", batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 100)

    def forward(self, words):
        return self.head(self.layers(self.words(words) + self.places))


class Decoder(nn.Module):
    """Causal attention by torch's own operator, with a root-mean-square norm."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(16, 48, bias=False)
        self.out = nn.Linear(16, 16, bias=False)
        self.up, self.gate = nn.Linear(16, 32), nn.Linear(16, 32)
        self.down = nn.Linear(32, 16)
        self.scale = nn.Parameter(torch.ones(16))

    def norm(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.scale

    def forward(self, x):
        batch, length, width = x.shape
        parts = self.qkv(self.norm(x)).view(batch, length, 3, 2, width // 2)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        seen = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(batch, length, width))
        y = self.norm(x)
        return x + self.down(nn.functional.silu(self.gate(y)) * self.up(y))


class Speech(nn.Module):
    """Convolutions over time and a recurrent layer, as speech models have it."""

    def __init__(self, cell):
        super().__init__()
        self.conv = nn.Conv1d(8, 12, 5, 2, 2, groups=2)
        self.norm = nn.BatchNorm1d(12)
        self.cell = cell(12, 8, batch_first=True, bidirectional=True)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = nn.functional.leaky_relu(self.norm(self.conv(x)), 0.1).transpose(1, 2)
        return torch.log_softmax(self.head(self.cell(x)[0]), -1)


class First(nn.Module):
    """The first output of one of transformers' models."""

    def __init__(self, model, *names):
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs):
        return self.model(**dict(zip(self.names, inputs)), return_dict=False)[0]


def text(name, **extra):
    """A model of words: with a mask, and half a sentence of padding."""
    torch.manual_seed(1)
    common = {
        "vocab_size": 100,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 32,
        "attn_implementation": "eager",
    }
    config = getattr(transformers, f"{name}Config")(**{**common, **extra})
    model = getattr(transformers, f"{name}Model")(config)
    words = torch.randint(3, 100, (1, 12))
    mask = torch.ones(1, 12, dtype=torch.int64)
    mask[:, 7:], words[:, 7:] = 0, getattr(config, "pad_token_id", None) or 0
    return model, {"input_ids": words, "attention_mask": mask}


def hugging():
    model, given = text("Bert")
    kinds = torch.zeros(1, 12, dtype=torch.int64)
    kinds[:, 4:] = 1
    yield "bert", model, {**given, "token_type_ids": kinds}
    yield "roberta", *text("Roberta", max_position_embeddings=40)
    yield "distilbert", *text("DistilBert", dim=16, hidden_dim=32, n_layers=2, n_heads=2)
    yield "electra", *text("Electra", embedding_size=8)
    sizes = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32}
    yield "gpt2", *text("GPT2", use_cache=False, **sizes)
    yield "llama", *text("Llama", num_key_value_heads=1, use_cache=False)
    config = transformers.T5Config(
        vocab_size=100, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2
    )
    yield "t5", transformers.T5EncoderModel(config), text("Bert")[1]
    config = transformers.WhisperConfig(
        num_mel_bins=8, d_model=16, encoder_layers=2, encoder_attention_heads=2,
        encoder_ffn_dim=32, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=32,
        max_source_positions=16, vocab_size=100, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=1, attn_implementation="eager",
    )
    torch.manual_seed(1)
    sound = {"input_features": torch.randn(1, 8, 32)}
    yield "whisper", transformers.WhisperModel(config).get_encoder(), sound
    config = transformers.Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        conv_dim=(8, 8), conv_stride=(4, 2), conv_kernel=(8, 3),
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2, vocab_size=32,
        attn_implementation="eager",
    )
    yield "wav2vec2", transformers.Wav2Vec2Model(config), {"input_values": torch.randn(1, 400)}
    config = transformers.CLIPVisionConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        image_size=32, patch_size=8, attn_implementation="eager",
    )
    yield "clip", transformers.CLIPVisionModel(config), {"pixel_values": torch.randn(PICTURE)}


def small():
    yield "resnet_basic", narrow(resnet.BasicBlock), PICTURE
    yield "resnet_bottleneck", narrow(resnet.Bottleneck), PICTURE
    yield "mobilenet_v2", mobilenet_v2(), PICTURE
    yield "mobilenet_v3", mobilenet_v3(), PICTURE
    yield "efficientnet", efficient(), PICTURE
    yield "regnet", regular(), PICTURE
    yield "densenet", densenet.DenseNet(4, (2, 2), 8, 2, num_classes=10), PICTURE
    yield "shufflenet", shuffle(), PICTURE
    yield "squeezenet", Squeeze(), PICTURE
    yield "convnext", next_net(), PICTURE
    yield "vit", vision(), PICTURE
    yield "swin", shifted(), PICTURE
    yield "unet", UNet(), (1, 3, 16, 16)
    yield "encoder", Encoder(), [12]
    yield "decoder", Decoder(), (1, 6, 16)
    yield "speech_lstm", Speech(nn.LSTM), (1, 8, 20)
    yield "speech_gru", Speech(nn.GRU), (1, 8, 20)
    for name, model, given in hugging():
        yield name, First(model, *given), given


def full():
    names = "alexnet convnext_tiny densenet121 efficientnet_b0 efficientnet_v2_s googlenet \
        inception_v3 mnasnet0_5 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small regnet_y_400mf \
        resnet18 resnet50 resnext50_32x4d shufflenet_v2_x1_0 squeezenet1_1 swin_t vgg11_bn vit_b_32"
    for name in names.split():
        extra = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
        size = 299 if name == "inception_v3" else 224
        yield name, torchvision.models.get_model(name, weights=None, **extra), (1, 3, size, size)


def settle(model):
    """Statistics of normalisation that are none of the defaults, so that
    folding them matters."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model.eval()


def export(model, given, path, dynamo):
    names = {"input_names": list(given), "output_names": ["output"]}
    inputs = tuple(given.values())
    if dynamo:
        made = torch.onnx.export(model, inputs, dynamo=True, verbose=False, **names)
        proto = made.model_proto
    else:
        torch.onnx.export(model, inputs, path, dynamo=False, opset_version=OPSET, **names)
        proto = onnx.load(path)
    for node in proto.graph.node:
        # Lines of the exporter's own code, several times as long as the model.
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in [*proto.graph.value_info, *proto.graph.input, *proto.graph.output]:
        value.ClearField("metadata_props")
    proto.ClearField("metadata_props")
    proto.graph.ClearField("metadata_props")
    onnx.save(proto, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings("ignore")
    failed = 0
    for name, model, shape in full() if args.full else small():
        if args.only not in name:
            continue
        torch.manual_seed(1)
        for parameter in model.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_normal_(parameter)
        model = settle(model)
        if isinstance(shape, dict):
            given = shape
        elif isinstance(shape, list):
            given = {"input": torch.randint(0, 100, (1, *shape))}
        else:
            given = {"input": torch.randn(shape)}
        for kind in ("ts", "dynamo"):
            path = args.folder / f"{name}.{kind}.onnx"
            try:
                export(model, given, path, kind == "dynamo")
                session = onnxruntime.InferenceSession(path)
                # An exporter leaves out what the model does not use.
                wanted = [port.name for port in session.get_inputs()]
                arrays = {name: given[name].numpy() for name in wanted}
                answers = session.run(None, arrays)
            except Exception as error:  # an exporter that cannot is no case
                why = (str(error).splitlines() or [type(error).__name__])[0]
                print(f"{path.name}: not exported, {why}", file=sys.stderr)
                path.unlink(missing_ok=True)
                failed += 1
                continue
            cases = {f"in:{name}": array for name, array in arrays.items()}
            numpy.savez_compressed(path.with_suffix(".npz"), **cases, **{"out:output": answers[0]})
            with torch.no_grad():
                apart = numpy.abs(model(*given.values()).numpy() - answers[0]).max()
            print(f"{path.name}: {path.stat().st_size} bytes, torch differs by {apart:.1e}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
