"""The prompts, as files: `negagen.llm.prompting` reads them."""
