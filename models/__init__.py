"""What computes: three labs and the core that two of them or more use. Never imports gradio or app.

Whatever is imported from it, page or command, the libraries that it stands on stay offline.
"""

from models.core.offline import stay_offline

stay_offline()
