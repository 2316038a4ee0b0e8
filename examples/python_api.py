"""negagen from Python: one caption, a stream of captions, and new negatives for every epoch."""

from negagen import Negator

negator = Negator(k=4, seed=0)

print("One caption")
result = negator("A brown dog chases a white cat across the grass.")
print(f"  {result.text}  ({result.status})")
for negative in result.negatives:
    changes = ", ".join(f"{edit.old!r} -> {edit.new!r}" for edit in negative.edits)
    print(f"  {negative.category:14} {negative.text}  [{changes}]")

print("\nA stream: results come in the order of the captions, whatever the batch size")
captions = ["two men on a black motorcycle", "A cup of tea stands beside a keyboard.", "", "3.14159"]
for result in negator.pipe(captions, keys=["a", "b", "c", "d"]):
    if result.negatives:
        print(f"  {result.text!r}: {result.negatives[0].text!r}")
    else:
        print(f"  {result.text!r}: {result.status}, {result.reason}")

print("\nEpochs: the same caption and seed, other draws")
for epoch in range(3):
    result = Negator(k=1, seed=0, epoch=epoch)("Two goats stand behind a wooden gate near a red tractor.")
    for negative in result.negatives:
        print(f"  epoch {epoch}: {negative.text}")
