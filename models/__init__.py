"""What computes: three labs and the core that two of them or more use. Never imports gradio or app."""
