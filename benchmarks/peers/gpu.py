"""What benchmarks/gpu.mjs measures, of PyTorch: the same batches, tokens and loss, on one device.

    python3 benchmarks/peers/gpu.py [--out FILE.json] [--device cuda|cpu] [--seconds N] [--quick]

The model is fairseq's (fairseq_transformer.py) with torch's scaled_dot_product_attention, on padded batches; the loss is
dropreg/R-Drop's criterion in float32. On CUDA the model is bfloat16 with one flat float32 master copy, as fairseq's
FP16Optimizer keeps it, and no float32 anywhere else. Two forms: "torch eager" with fairseq's Adam, and "torch compile",
where model, loss and optimizer are compiled (dynamic shapes; no CUDA graphs, since each of the epoch's shapes would be
captured). Neither waits for the device inside a step, which fairseq itself does.

The rows have the fields of benchmarks/gpu.mjs. Each is printed as an object of JSON a line as soon as it is measured;
the file has all of them. The loss comes first, what is compiled last. No stage begins after N seconds (600). A stage that fails is
named in the file, the others run; status 1.
"""

import argparse
import datetime
import json
import math
import os
import resource
import subprocess
import sys
import time

import torch

from fairseq_transformer import Model, criterion
from iwslt14 import Tokens, decoder_input, read_batches, sample_batches, tokens_of

SEED, ALPHA, EPSILON, DECAY, RATE = 64, 5.0, 0.1, 1e-4, 5e-4
DIRECTIONS = ("uni", "bi")


def settings_of(quick):
    batches = read_batches()
    if not quick:
        model = {"vocabSize": 10152, "embedDim": 512, "ffnDim": 1024, "heads": 4, "layers": 6, "dropout": 0.3}
        return {"model": model, "loss": (3584, 10152, 3, 5), "sample": sample_batches(batches, 64), "group": 8, "passes": 3}
    small = [(source[:3], target[:3]) for source, target in batches if sum(target[:3]) < 40]
    model = {"vocabSize": 120, "embedDim": 64, "ffnDim": 64, "heads": 4, "layers": 1, "dropout": 0.3}
    return {"model": model, "loss": (24, 120, 2, 2), "sample": sample_batches(small, 4), "group": 2, "passes": 2}


def spread(seconds):
    ordered = sorted(seconds)
    at = lambda q: ordered[min(len(ordered) - 1, int(q * len(ordered)))]
    return {"median": at(0.5), "p10": at(0.1), "p90": at(0.9), "repetitions": len(ordered)}


class Clock:
    """Waits for the device around what it times."""

    def __init__(self, device):
        self.cuda = device == "cuda"

    def seconds(self, body):
        self.wait()
        start = time.perf_counter()
        body()
        self.wait()
        return time.perf_counter() - start

    def wait(self):
        if self.cuda:
            torch.cuda.synchronize()


def update(master, gradient, first, second, step, decay):
    """fairseq's Adam over the flat master copy; step and decay are tensors, so that compiled code stays as it is."""
    first.mul_(0.9).add_(gradient, alpha=0.1)
    second.mul_(0.98).addcmul_(gradient, gradient, value=0.02)
    master.mul_(1 - decay)
    master.sub_(first / second.sqrt().add_(1e-8) * step)


class Training:
    """One form: the model, its master copy and moments."""

    def __init__(self, form, settings, device, precision):
        torch.manual_seed(SEED)
        m = settings["model"]
        model = Model(m["vocabSize"], m["embedDim"], m["ffnDim"], m["heads"], m["layers"], m["dropout"], attention="sdpa")
        self.model = model.to(device=device, dtype=getattr(torch, precision)).train()
        self.parameters = list(self.model.parameters())
        self.master = torch.cat([p.detach().float().flatten() for p in self.parameters])
        self.gradient = torch.zeros_like(self.master)
        self.first, self.second = torch.zeros_like(self.master), torch.zeros_like(self.master)
        self.updates = 0
        self.forward, self.criterion, self.update = self.model, criterion, update
        if form == "torch compile":
            self.forward = torch.compile(self.model, dynamic=True)
            self.criterion = torch.compile(criterion, dynamic=True)
            self.update = torch.compile(update)

    def step(self, batch, direction):
        source, previous, target, tokens = batch
        logits = self.forward(torch.cat([source, source]), torch.cat([previous, previous]))
        self.criterion(logits, target, ALPHA, EPSILON, direction).backward()
        self.updates += 1
        with torch.no_grad():
            views = self.gradient.split([p.numel() for p in self.parameters])
            torch._foreach_copy_([view.view_as(p) for view, p in zip(views, self.parameters)], [p.grad for p in self.parameters])
            self.gradient.mul_(1.0 / tokens)
            self.norm = self.gradient.norm()
            size = RATE * math.sqrt(1 - 0.98**self.updates) / (1 - 0.9**self.updates)
            self.update(self.master, self.gradient, self.first, self.second, torch.tensor(size), torch.tensor(DECAY * RATE))
            views = self.master.split([p.numel() for p in self.parameters])
            torch._foreach_copy_(self.parameters, [view.view_as(p) for view, p in zip(views, self.parameters)])
        for parameter in self.parameters:
            parameter.grad = None


def batches_of(settings, device):
    tokens = Tokens(SEED, settings["model"]["vocabSize"])
    batches = []
    for source_lengths, target_lengths in settings["sample"]:
        source, target = tokens.sentences(source_lengths), tokens.sentences(target_lengths)
        tensors = [x.to(device) for x in (source, decoder_input(target), target)]
        batches.append((*tensors, sum(target_lengths)))
    return batches


def loss_rows(form, settings, device, precisions, tell):
    rows, classes, rounds, repeats = settings["loss"]
    clock = Clock(device)
    target = (4 + torch.arange(rows) * 7919 % (classes - 4)).unsqueeze(0).to(device)
    loss = torch.compile(criterion) if form == "torch compile" else criterion
    for precision in precisions:
        generator = torch.Generator(device).manual_seed(SEED)
        first = 2 * torch.randn(rows, classes, device=device, generator=generator)
        second = first + 0.5 * (torch.rand(rows, classes, device=device, generator=generator) - 0.5)
        logits = torch.stack([first, second]).to(getattr(torch, precision)).requires_grad_()
        del first, second

        def once(direction):
            logits.grad = None
            loss(logits, target, ALPHA, EPSILON, direction).backward()

        times = {}
        for turn in range(rounds + 1):
            for direction in ("uni", "uni-reverse", "bi"):
                seconds = clock.seconds(lambda: [once(direction) for _ in range(repeats)]) / repeats
                if turn > 0:  # the first turn warms up and compiles
                    times.setdefault(direction, []).append(seconds)
        size = 2 * logits.numel() * logits.element_size()
        for direction, seconds in times.items():
            time_of = spread(seconds)
            tell({"side": form, "direction": direction, "precision": precision, "rows": rows, "classes": classes,
                  "bytes": size, **time_of, "gigabytesPerSecond": size / time_of["median"] / 1e9})


def peak_bytes(device):
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def step_rows(form, settings, device, precision, limit, tell):
    """Rows of a step in each direction, and the peak of memory with the first of them. No pass over the batches begins
    after `limit` seconds of measuring."""
    batches = batches_of(settings, device)
    clock = Clock(device)
    training = Training(form, settings, device, precision)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds = {direction: [] for direction in DIRECTIONS}
    run = lambda direction, some: clock.seconds(lambda: [training.step(batch, direction) for batch in some])
    warm = {}
    for direction in DIRECTIONS:
        warm[direction] = run(direction, batches)
        if direction == "uni":
            peak = peak_bytes(device)
    group, passes = settings["group"], 0
    start = time.perf_counter()
    while passes < settings["passes"] and (passes == 0 or time.perf_counter() - start < limit):
        for first in range(0, len(batches), group):
            some = batches[first : first + group]
            for direction in DIRECTIONS:
                seconds[direction].append(run(direction, some) / len(some))
        passes += 1
    mean_tokens = sum(map(tokens_of, settings["sample"])) / len(batches)
    for direction in DIRECTIONS:
        mean = sum(seconds[direction]) / len(seconds[direction])
        tell({"side": form, "direction": direction, "precision": precision, **spread(seconds[direction]),
              "stepsPerGroup": group, "steps": passes * len(batches), "batches": len(batches),
              "stepsPerSecond": 1 / mean, "tokensPerSecond": mean_tokens / mean, "peakBytes": peak,
              "warmUpSeconds": warm[direction]})


def describe(device):
    if device == "cpu":
        return {"kind": device, "name": "cpu", "cores": os.cpu_count()}
    properties = torch.cuda.get_device_properties(0)
    answer = {"kind": device, "name": properties.name, "capability": f"{properties.major}.{properties.minor}",
              "multiprocessors": properties.multi_processor_count, "totalBytes": properties.total_memory}
    try:
        fields = ["driver_version", "power.limit", "clocks.max.sm", "clocks.max.mem"]
        command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
        values = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0].split(",")
        answer.update({field: value.strip() for field, value in zip(fields, values)})
    except (OSError, subprocess.CalledProcessError, IndexError):
        pass
    return answer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    settings = settings_of(options.quick)
    precision = "bfloat16" if options.device == "cuda" else "float32"
    result = {"program": "pytorch", "quick": options.quick, "date": datetime.date.today().isoformat(), "seed": SEED,
              "precision": precision, "device": {"kind": options.device, "name": None},
              "versions": {"torch": torch.__version__, "cuda": torch.version.cuda, "python": sys.version.split()[0]},
              "model": settings["model"], "stages": []}
    torch.set_float32_matmul_precision("high")

    begun = time.perf_counter()

    def left():
        return options.seconds - (time.perf_counter() - begun)

    def write():
        if not options.out:
            return
        with open(f"{options.out}.partial", "w") as file:
            json.dump(result, file, indent=2)
        os.replace(f"{options.out}.partial", options.out)

    def run(stage, body):
        start = time.perf_counter()
        entry = {"stage": stage, "rows": []}
        result["stages"].append(entry)

        def tell(row):
            entry["rows"].append(row)
            print(json.dumps({"row": stage.split(",")[0], **row}), flush=True)
            write()

        try:
            if left() <= 0:
                raise TimeoutError(f"no time was left of {options.seconds:.0f} s")
            body(tell)
        except Exception as error:  # a failure is a result, and the other stages still run
            entry["failed"] = {"code": type(error).__name__, "message": str(error).strip()[:2000]}
        entry["seconds"] = time.perf_counter() - start
        write()
        told = f"FAILED: {entry['failed']['message']}" if "failed" in entry else f"{len(entry['rows'])} rows"
        print(f"{stage}: {told} ({entry['seconds']:.1f} s)", file=sys.stderr, flush=True)

    def device(tell):
        if options.device == "cuda" and not torch.cuda.is_available():
            raise RuntimeError("torch finds no CUDA device")
        result["device"] = describe(options.device)

    write()
    run("device", device)
    if "failed" not in result["stages"][0]:
        both = ("bfloat16", "float32")
        # What cannot fail for want of a compiler first; what takes long to compile and matters least last.
        run("loss, eager", lambda tell: loss_rows("torch eager", settings, options.device, both, tell))
        run("step, eager", lambda tell: step_rows("torch eager", settings, options.device, precision, left() / 4, tell))
        run("loss, compile", lambda tell: loss_rows("torch compile", settings, options.device, both[:1], tell))
        run("step, compile", lambda tell: step_rows("torch compile", settings, options.device, precision, left() / 2, tell))
        run("loss, compile float32", lambda tell: loss_rows("torch compile", settings, options.device, both[1:], tell))
    sys.exit(any("failed" in entry for entry in result["stages"]))


main()
