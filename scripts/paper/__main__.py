"""All experiments in their order: train the transformers, measure, and put the results into docs/PAPER.md.

    PYTHONPATH=scripts python -m paper TRAIN --text FILE --images FOLDER --speech FOLDER --llm smollm2 --minutes 600

TRAIN: text to train on, a file or what scripts/prepare_data.py wrote.  With the paper's data: TRAIN enwik8, --text
enwik9, and folders with the pictures of ImageNet and the recordings of LibriSpeech's train-clean-100.  Each experiment
can be called by itself (paper/NAME.py), goes on where it ended, and says what it does.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from paper import context, generate, predictor, report, scaling, table1, tokenization, train_transformer
from paper.options import of_images, of_kinds, of_llm, of_speech, to_out

_PAPERS = ("200K", "800K", "3.2M")


def trained(text: Path, kinds: list[str], out: Path, size: str, minutes: float) -> Path:
    """Train a transformer and return its weight file."""
    weights = out / f"{size}.safetensors"
    if not weights.exists():
        arguments = [str(text), "--size", size, "--out", str(out / size), "--minutes", str(minutes), *kinds]
        train_transformer.main(arguments, standalone_mode=False)
        shutil.copyfile(out / size / "exact.safetensors", weights)
    return weights


@click.command()
@click.argument("train", type=click.Path(exists=True, path_type=Path))
@of_kinds
@click.option("--text", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@of_images
@of_speech
@of_llm
@click.option("--minutes", type=float, default=600, show_default=True, help="For the training of each size.")
@to_out
@click.option("--quick", is_flag=True, help="A minute of everything, to try it out; no report.")
def main(
    train: Path,
    kinds: tuple[str, ...],
    text: Path,
    images: Path | None,
    speech: Path | None,
    llm: str | None,
    minutes: float,
    out: Path,
    quick: bool,
) -> None:
    """Run all experiments."""
    of_kinds = [word for kind in kinds for word in ("--kind", kind)]
    models = [trained(train, of_kinds, out, s, 0.02 if quick else minutes) for s in _PAPERS[: 1 if quick else 3]]
    data = ["--text", str(text), "--out", str(out), *(["--quick"] if quick else [])]
    for name, folder in (("images", images), ("speech", speech)):
        data += [f"--{name}", str(folder)] if folder else []
    with_models = [word for path in models for word in ("--model", str(path))]
    with_llm = ["--llm", llm] if llm else []
    table1.main([*data, *with_models, *with_llm], standalone_mode=False)
    context.main([*data, *with_models, *with_llm], standalone_mode=False)
    predictor.main([*data, *with_models], standalone_mode=False)
    generate.main([*data, *with_llm], standalone_mode=False)
    rest = [*of_kinds, "--out", str(out), *(["--quick"] if quick else [])]
    scaling.main([str(train), *rest], standalone_mode=False)
    tokenization.main([str(train), "--held-out", str(text), *rest], standalone_mode=False)
    if not quick:
        report.main(["--results", str(out)], standalone_mode=False)


if __name__ == "__main__":
    main()
