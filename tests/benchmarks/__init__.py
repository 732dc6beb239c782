"""What a record costs on its way from a socket into a stream, beside what others would pay for the same.

`python -m tests.benchmarks` measures and prints; nothing here is a test. Figures of one run compare with each other
only: rounds are interleaved, and ratios are taken within a round, so that a busy machine spoils them least.
"""
