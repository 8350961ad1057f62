"""U^2-Net (Qin et al., 2020; rembg's default network) by its layer shapes, with untrained weights, as ONNX: what it costs to run, not what it finds."""

from pathlib import Path
from typing import Any, Final

PARAMETERS: Final = 44_009_869
"""Of the published network, biases and batch norms included; a test holds ours to it."""
_ENCODER: Final = ((7, 3, 32, 64), (6, 64, 32, 128), (5, 128, 64, 256), (4, 256, 128, 512), (0, 512, 256, 512), (0, 512, 256, 512))
_DECODER: Final = ((0, 1024, 256, 512), (4, 1024, 128, 256), (5, 512, 64, 128), (6, 256, 32, 64), (7, 128, 16, 64))
"""Height (0: dilated instead of pooled), and channels in, in the middle and out, of each residual U-block."""


def network() -> Any:
    """The network as a torch module; 1x3x320x320 in, 1x1x320x320 out."""
    import torch
    from torch import nn
    from torch.nn import functional

    def convolution(before: int, after: int, dilation: int = 1) -> nn.Module:
        return nn.Sequential(nn.Conv2d(before, after, 3, padding=dilation, dilation=dilation), nn.BatchNorm2d(after), nn.ReLU())

    def like(small: torch.Tensor, large: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(small, size=large.shape[2:], mode="bilinear")

    class Block(nn.Module):
        """RSU-7 to RSU-4, or RSU-4F (height 0)."""

        def __init__(self, height: int, before: int, middle: int, after: int) -> None:
            super().__init__()
            self.pooled, levels = height > 0, height or 4
            dilations = [1] * (levels - 1) + [2] if self.pooled else [1, 2, 4, 8]
            self.first = convolution(before, after)
            self.down = nn.ModuleList(convolution(after if k == 0 else middle, middle, dilation) for k, dilation in enumerate(dilations))
            self.up = nn.ModuleList(convolution(2 * middle, after if k == 0 else middle, 1 if self.pooled else dilations[k]) for k in range(levels - 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            start = self.first(x)
            levels, flow = [], start
            for number, layer in enumerate(self.down):
                if self.pooled and 0 < number < len(self.down) - 1:
                    flow = functional.max_pool2d(flow, 2, 2, ceil_mode=True)
                flow = layer(flow)
                levels.append(flow)
            for number in range(len(self.up) - 1, -1, -1):
                flow = self.up[number](torch.cat((like(flow, levels[number]), levels[number]), 1))
            return flow + start

    class U2Net(nn.Module):
        """Six blocks down, five up, six side outputs fused."""

        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = (nn.ModuleList(Block(*shape) for shape in shapes) for shapes in (_ENCODER, _DECODER))
            self.sides = nn.ModuleList(nn.Conv2d(channels, 1, 3, padding=1) for channels in (512, 512, 256, 128, 64, 64))
            self.fused = nn.Conv2d(6, 1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            levels, flow = [], x
            for number, block in enumerate(self.encoder):
                flow = block(functional.max_pool2d(flow, 2, 2, ceil_mode=True) if number else flow)
                levels.append(flow)
            outputs = [flow]
            for number, block in enumerate(self.decoder):
                lower = levels[len(levels) - 2 - number]
                flow = block(torch.cat((like(flow, lower), lower), 1))
                outputs.append(flow)
            seen = [like(side(output), x) for side, output in zip(self.sides, outputs, strict=True)]
            return torch.sigmoid(self.fused(torch.cat(seen, 1)))

    return U2Net().eval()


def save(target: Path) -> None:
    """Write it as ONNX, fixed at 320 px, as rembg's file is."""
    import torch

    torch.manual_seed(0)
    torch.onnx.export(network(), (torch.zeros(1, 3, 320, 320),), str(target), dynamo=False, input_names=["input.1"], output_names=["output"])
