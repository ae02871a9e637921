"""InstanceRefer (Yuan et al., ICCV 2021), as published and as shipped."""
